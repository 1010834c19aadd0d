# Short names for what is done often; everything here is plain cargo or a script.

default: check

check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

test *ARGS:
    scripts/test {{ARGS}}

lab *ARGS:
    scripts/lab {{ARGS}}

bench *ARGS:
    scripts/bench {{ARGS}}

schema:
    cargo run -q -- schema > inventory/schema.json
