#!/bin/bash
# A planned change of the primary, for the operator's agent on the primary's pod.
# env: ROOT_PASSWORD, KB_SWITCHOVER_ROLE, KB_SWITCHOVER_CANDIDATE_NAME (empty: any other member)
set -euo pipefail
[ "${KB_SWITCHOVER_ROLE:-}" = primary ] || exit 0
ask() { mysql --no-defaults -uroot -p"$ROOT_PASSWORD" -h127.0.0.1 --connect-timeout=2 --batch --skip-column-names -e "$1"; }
like=${KB_SWITCHOVER_CANDIDATE_NAME:-%}
member=$(ask "SELECT member_id FROM performance_schema.replication_group_members WHERE member_role = 'SECONDARY' AND member_state = 'ONLINE'
  AND member_host LIKE '${like}.%' ORDER BY member_host LIMIT 1")
[ -n "$member" ] || { echo "no member that could become the primary" >&2; exit 1; }
ask "SELECT group_replication_set_as_primary('$member')"
