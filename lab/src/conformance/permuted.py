# Runs one script of the recording with other names, ids and sizes: permuted.py SCRIPT.py, in the scripts' folder.
#
# What the script asks is rewritten on its way to the server, and what it reads of the answers is rewritten back,
# so that the script itself never sees the other names. The exchanges are kept as they went over the wire.
# HOMELAB_PERMUTATION names a JSON file: `words` (each with its other one, in both directions), `memory` and
# `disks` (factors), and `web`, the port at which the script's web server listens.
import json
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.getcwd())
import rec

given = json.load(open(os.environ["HOMELAB_PERMUTATION"]))
words = given["words"]
# A word begins where no letter or digit stands before it, or an escape such as %3A ends; `+pve1` is a version.
BEGIN = r"(?:(?<=%[0-9A-Fa-f]{2})|(?<![A-Za-z0-9+%]))"
END = r"(?![A-Za-z0-9])"
# Numbers in addresses are no VMIDs, nor are VLAN tags.
NO_ADDRESS = r"(?<!\.)(?<!tag=)(?<!tag%3D)", r"(?!\.\d)"


def any_of(chosen):
    return "(" + "|".join(re.escape(word) for word in sorted(chosen, key=len, reverse=True)) + ")"


names = BEGIN + any_of(word for word in words if not word.isdigit()) + END
numbers = BEGIN + NO_ADDRESS[0] + any_of(word for word in words if word.isdigit()) + END + NO_ADDRESS[1]
pattern = re.compile(f"{names}|{numbers}")


def renamed(text):
    return pattern.sub(lambda found: words[found.group(0)], text)


def times(factor):
    def scaled(found):
        value = float(found.group(2)) * factor
        return found.group(1) + (str(int(value)) if value.is_integer() else str(value)) + found.group(3)

    return scaled


# Memory below 16 MiB is refused, and stays so.
SIZES = [
    (re.compile(r'(\bmemory=|"memory": ?"?)(\d{2,})((?![\dA-Za-z.]))'), given["memory"]),
    (re.compile(r"(\b(?:local-lvm|dirstore|local)%3A)(\d+(?:\.\d+)?)((?![\w.-]))"), given["disks"]),
    (re.compile(r"(\bsize=(?:%2B)?)(\d+)([KMGT](?![A-Za-z0-9]))"), given["disks"]),
    (re.compile(r"(\bbwlimit=)(\d+)()"), given["disks"]),
]


def resized(text):
    for sizes, factor in SIZES:
        text = sizes.sub(times(factor), text)
    return text


def back(value):
    """The words are exchanged in pairs: renaming them again takes it back."""
    if isinstance(value, dict):
        return {renamed(key): back(one) for key, one in value.items()}
    if isinstance(value, list):
        return [back(one) for one in value]
    if isinstance(value, str):
        return renamed(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(words.get(str(value), value))
    return value


def rewritten(data):
    head, blank, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin1").split("\r\n")
    method, _, rest = first.partition(" ")
    lines = [renamed(line) if line.startswith(("Cookie", "CSRF", "Authorization")) else line for line in lines]
    # What is uploaded is not text.
    if not any(line.startswith("Content-Type: multipart/") for line in lines):
        other = renamed(resized(body.decode("latin1"))).encode("latin1")
        if other != body:
            length = f"Content-Length: {len(other)}"
            lines = [length if line.startswith("Content-Length:") else line for line in lines]
            body = other
    target, _, version = rest.rpartition(" ")
    first = f"{method} {renamed(resized(target))} {version}" if version else first
    return "\r\n".join([first, *lines]).encode("latin1") + blank + body


raw, outside = rec.raw, rec.nsexec


def raw_renamed(note, data, method="GET", log=True, show=None):
    answer = raw(note, rewritten(data), method, log, show)
    answer.j, answer.data, answer.body = back(answer.j), back(answer.data), renamed(answer.body)
    return answer


rec.raw = raw_renamed
rec.nsexec = lambda command: outside([renamed(word) for word in command])
script = sys.argv[1]
text = open(script).read().replace("8088", str(given["web"]))
exec(compile(text, script, "exec"), {"__name__": "__main__", "__file__": script})
