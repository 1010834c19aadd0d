# Standard input as one JSON string; control characters go, tabs become blanks.
json_string() {
    printf '"'
    tr '\t' ' ' | tr -d '\000-\010\013-\037' |
        awk '{ gsub(/["\\]/, "\\\\&"); printf "%s%s", separator, $0; separator = "\\n" }'
    printf '"'
}

# A word as a JSON string, null when empty. Most words need no escapes, and so no process.
json_word() {
    case $1 in
    '') printf null ;;
    *[!A-Za-z0-9\ ._:/+@=,\(\)~-]*) printf '%s' "$1" | json_string ;;
    *) printf '"%s"' "$1" ;;
    esac
}

# A word of digits as a JSON number, null when it is none.
json_number() {
    case $1 in
    '' | *[!0-9]*) printf null ;;
    *) printf '%s' "$1" ;;
    esac
}

# true or false: whether a command succeeds.
json_whether() {
    if "$@" >/dev/null 2>&1; then printf true; else printf false; fi
}

# What a command prints, if that is a JSON list or object; null otherwise.
json_of() {
    json_output=$("$@" 2>/dev/null) || json_output=
    case $json_output in
    '['*']' | '{'*'}') printf '%s' "$json_output" ;;
    *) printf null ;;
    esac
}

# What a command prints, as a JSON string whatever it is: what only looks like JSON, put in as it is, would
# spoil the whole document.
json_text_of() {
    json_output=$("$@" 2>/dev/null) || json_output=
    printf '%s\n' "$json_output" | json_string
}

# The first line of a file, nothing where it cannot be read.
first_line() {
    first=
    # The last line of a file may have no end.
    IFS= read -r first 2>/dev/null <"$1" || :
    printf '%s' "$first"
}
