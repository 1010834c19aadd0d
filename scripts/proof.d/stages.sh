#!/usr/bin/env bash
# The whole of inventory/lab.yaml made by runs that are killed, for a lab that was started with `--gitops`.

# shellcheck source=scripts/proof.d/topology.sh
. scripts/proof.d/topology.sh

# Two moments of each new stage, in the order of a run: each kill is followed by a run that goes on from there.
moments=(
  '"record":"step_started","step":"longhorn/prepare' '"record":"step_finished","step":"longhorn/prepare'
  '"record":"step_started","step":"flux/controllers' '"record":"step_started","step":"flux/source'
  # Whether the tunnel was made by then or not: the next run finds it by its name, and makes no second one.
  '"record":"tunnel_intended"' '"record":"step_started","step":"edge/point'
  '"record":"step_started","step":"sync/head' '"record":"step_finished","step":"sync/head'
)

section_stages() {
  step 'a run that is killed in each of its stages is taken up by the next'
  the_whole
  for moment in "${moments[@]}"; do
    up_killed_at "$moment"
  done
  converge
  converged

  step 'all is there, once, and nothing is held'
  until_true 300 'every check passes' green
  nothing_to_do
  [ "$(tunnels | field '["result_info"]["total_count"]')" = 1 ] || fail 'there is not one tunnel'
  [ "$(count_proxies)" = 2 ] || fail 'there are not two proxies'
  [ -z "$(kubectl get kustomizations -n flux-system -o "'jsonpath={.items[*].metadata.annotations.homelab/suspended}'")" ] || fail 'a part is still held'

  step 'destroy leaves nothing, neither here nor at Cloudflare'
  last_line homelab destroy --yes
  nothing_is_left
}
