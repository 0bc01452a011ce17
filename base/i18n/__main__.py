"""Keep the Dutch up to date.

python -m base.i18n extract              update every service's locales/nl.po from code and templates
python -m base.i18n check                list what is missing, fuzzy or unused; exit status 1 if anything is
python -m base.i18n missing SERVICE      the missing ones as JSON {"English": ""}, to fill in
python -m base.i18n fill SERVICE FILE    put such a JSON file's Dutch in ("singular|plural" where there are two)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from base.i18n.extract import SERVICES, faults, fill, missing, update


def main(arguments: list[str]) -> int:
    match arguments:
        case ["extract"]:
            for service in SERVICES:
                sys.stdout.write(f"{service}: {update(service)} without Dutch\n")
            return 0
        case ["check"]:
            found = [fault for service in SERVICES for fault in faults(service)]
            sys.stdout.writelines(f"{fault}\n" for fault in found)
            return 1 if found else 0
        case ["missing", service] if service in SERVICES:
            update(service)
            names = [m.id if isinstance(m.id, str) else m.id[0] for m in missing(service)]
            open_ = dict.fromkeys(names, "")
            sys.stdout.write(json.dumps(open_, indent=1, ensure_ascii=False) + "\n")
            return 0
        case ["fill", service, file] if service in SERVICES:
            update(service)
            count = fill(service, json.loads(Path(file).read_text(encoding="utf-8")))
            sys.stdout.write(f"{service}: {count} filled\n")
            return 0
    sys.stderr.write(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
