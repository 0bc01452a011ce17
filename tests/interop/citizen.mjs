// A citizen's browser without script: cookies, redirects, the forms of the pages it is shown.

const MAX_HOPS = 14;

export class Citizen {
  #jar = new Map();

  // `login`: username and password. `callback`: where the client waits; nothing is sent there.
  constructor({ login, callback }) {
    this.login = login;
    this.callback = callback;
  }

  // Open an address and do what the pages ask, until the browser is back at the client; what arrives there.
  async walk(address) {
    let page = await this.visit(address);
    for (let step = 0; step < 6; step += 1) {
      if (page.arrived) return page.arrived;
      page = await this.#answer(page);
    }
    throw new Error(`the walk does not end: ${page.url}`);
  }

  // Type what a device shows (RFC 8628 section 3.3), and say whether it was us; the page where it ends.
  async atDevice({ verification_uri, user_code }, answer) {
    return this.#confirm(await this.submit(await this.visit(verification_uri), "/device", { user_code }), answer);
  }

  // Open the newest request of what an agency asks elsewhere (CIBA), and say whether it was us; the page where it ends.
  async atMyRequests(issuer, answer) {
    const page = await this.visit(new URL("/my/requests", issuer));
    return this.#confirm(await this.submit(page, "/my/requests"), answer);
  }

  // Follow redirects to a page, or to the client. `arrived`: a URL, or a Request for a form that is posted to the client.
  async visit(address, form) {
    let url = new URL(address);
    let body = form && new URLSearchParams(form);
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      if (this.#isCallback(url.href)) return { url, arrived: url };
      const response = await fetch(url, { method: body ? "POST" : "GET", body, redirect: "manual", headers: { cookie: this.#cookies() } });
      this.#keep(response);
      const html = await response.text();
      if (response.status !== 302 && response.status !== 303) {
        if (response.status >= 400) throw new Error(`${url.pathname} answered ${response.status}: ${html.slice(0, 300)}`);
        return this.#page(url, html);
      }
      url = new URL(response.headers.get("location"), url);
      body = undefined;
    }
    throw new Error("too many redirects");
  }

  // Send the form that leads to `action`, with its hidden fields and these.
  submit(page, action, fields = {}) {
    const form = page.forms.find((one) => one.action === action);
    if (!form) throw new Error(`no form to ${action} at ${page.url}: ${page.forms.map((one) => one.action)}`);
    return this.visit(new URL(action, page.url), { ...form.hidden, ...fields });
  }

  async #confirm(page, answer) {
    while (!page.forms.some((one) => one.action === "/confirm")) page = await this.#answer(page);
    page = await this.submit(page, "/confirm", { answer });
    while (page.url.pathname === "/ask") page = await this.#answer(page);
    return page.url;
  }

  #answer(page) {
    const action = page.forms.map((one) => one.action).find((one) => ["/login/password", "/ask"].includes(one));
    if (action === "/login/password") return this.submit(page, action, this.login);
    if (action === "/ask") return this.submit(page, action, Object.fromEntries(page.choices.map((name) => [name, "allow"])));
    throw new Error(`no form that a citizen knows at ${page.url}: ${page.html.slice(0, 500)}`);
  }

  #page(url, html) {
    const forms = html.split("<form").slice(1).map((part) => {
      const text = part.split("</form>")[0];
      const hidden = [...text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
      return {
        action: decode(/action="([^"]*)"/.exec(text)?.[1] ?? ""),
        hidden: Object.fromEntries(hidden.map((match) => [match[1], decode(match[2])])),
      };
    });
    const choices = [...new Set([...html.matchAll(/<input type="radio" name="([^"]+)" value="allow"/g)].map((match) => match[1]))];
    const posted = forms.find((one) => this.#isCallback(one.action));
    const arrived = posted && new Request(posted.action, { method: "POST", body: new URLSearchParams(posted.hidden) });
    return { url, html, forms, choices, arrived };
  }

  #isCallback(address) {
    return this.callback !== undefined && address.startsWith(this.callback);
  }

  #cookies() {
    return [...this.#jar].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  #keep(response) {
    for (const one of response.headers.getSetCookie()) {
      const [name, ...value] = one.split(";")[0].split("=");
      this.#jar.set(name, value.join("="));
    }
  }
}

function decode(text) {
  const names = { amp: "&", lt: "<", gt: ">", quot: '"', "#34": '"', "#39": "'" };
  return text.replace(/&(#?\w+);/g, (whole, name) => names[name] ?? whole);
}
