#!/usr/bin/env bash
# Nothing of ours is left.
section_end() {
  step 'destroy takes what is ours and leaves the bystander'
  last_line homelab destroy --yes
  nothing_of_ours
  bystander
}
