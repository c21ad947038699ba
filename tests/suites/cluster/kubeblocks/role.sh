#!/bin/bash
# The role of this pod's server, for the operator's agent. env: ROOT_PASSWORD
role=$(mysql --no-defaults -uroot -p"$ROOT_PASSWORD" -h127.0.0.1 --connect-timeout=1 --batch --skip-column-names -e "SELECT member_role FROM
  performance_schema.replication_group_members WHERE member_id = @@server_uuid AND member_state = 'ONLINE'" 2>/dev/null)
case $role in
  PRIMARY) printf primary ;;
  SECONDARY) printf secondary ;;
  *) echo "not in the group" >&2; exit 1 ;;
esac
