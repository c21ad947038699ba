#!/bin/bash
# Makes an account, for the operator's agent on the primary's pod. env: ROOT_PASSWORD, KB_ACCOUNT_NAME, KB_ACCOUNT_PASSWORD, KB_ACCOUNT_STATEMENT
set -euo pipefail
# shellcheck disable=SC2016  # names in the statement, not variables of this script
statement=${KB_ACCOUNT_STATEMENT//'${KB_ACCOUNT_NAME}'/$KB_ACCOUNT_NAME}
# shellcheck disable=SC2016
statement=${statement//'${KB_ACCOUNT_PASSWORD}'/$KB_ACCOUNT_PASSWORD}
mysql --no-defaults -uroot -p"$ROOT_PASSWORD" -h127.0.0.1 -e "$statement"
