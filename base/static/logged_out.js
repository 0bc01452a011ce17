// Goes on to where the citizen came from, once every agency's frame has been loaded, or after four seconds.
"use strict";
const onward = document.querySelector("a[data-onward]");
if (onward) {
  const go = () => location.replace(onward.href);
  addEventListener("load", go);
  setTimeout(go, 4000);
}
