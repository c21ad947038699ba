# shellcheck shell=bash disable=SC2034,SC2046
# Installs each application's dependencies into $cache: prepare_APP sets `command`. Returns 1 if they are not available here, 2 if an install failed; both set `why`.
# (SC2034: run.sh reads the variables set here. SC2046: one argument per file.)

: "${here:?}" "${cache:?}" "${log:?}"

need() { # tool…
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { why="no $tool on this machine"; return 1; }
  done
}

packages() { # Debian packages, installed when missing
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || { why="not a Debian machine, wants ${missing[*]}"; return 1; }
  # The lists may be missing or out of date: then ask for them and try again.
  { apt_install "${missing[@]}" || { as_root apt-get update -qq -o DPkg::Lock::Timeout=300; apt_install "${missing[@]}"; }; } \
    >"$log" 2>&1 || { why="apt-get has no ${missing[*]}: $(tail -n 1 "$log")"; return 1; }
}
apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# Runs a command unless it succeeded before with the same files; other runs wait.
once() { # name, file… -- command…
  local name=$1 stamp files=()
  shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  stamp=$(cat "${files[@]}" | sha256sum | cut -d' ' -f1)
  (
    flock 9
    [ "$(cat "$cache/$name.stamp" 2>/dev/null)" = "$stamp" ] && exit 0
    "$@" >"$log" 2>&1 && echo "$stamp" >"$cache/$name.stamp"
  ) 9>"$cache/$name.lock" || { why="install failed: $(tail -n 3 "$log" | tr '\n' ' ')"; return 2; }
}

venv() { rm -rf "$1" && python3 -m venv "$1" && "$1/bin/pip" install -q -r "$2"; }
python_app() { # folder, program's arguments
  local folder=$1
  shift
  need python3 && once "venv-$folder" "$here/$folder/requirements.txt" -- venv "$cache/venv-$folder" "$here/$folder/requirements.txt" &&
    command=("$cache/venv-$folder/bin/python" "$here/$folder/app.py" "$@")
}
# mysqlclient is built from source.
prepare_django() { packages python3-dev libmariadb-dev pkg-config gcc && python_app django django; }
prepare_django_pymysql() { packages python3-dev libmariadb-dev pkg-config gcc && python_app django django_pymysql; }
prepare_sqlalchemy() { python_app sqlalchemy; }

spring_build() { mvn -q -B -f "$here/spring/pom.xml" -Dmaven.repo.local="$cache/m2" -DbuildDirectory="$cache/spring" package; }
spring_app() { # variant
  need java mvn && once spring "$here/spring/pom.xml" $(find "$here/spring/src" -type f | sort) -- spring_build &&
    command=(java -Xmx512m -XX:TieredStopAtLevel=1 -cp "$cache/spring/shop.jar:$cache/spring/lib/*" pointsman.shop.Shop "$1")
}
prepare_spring() { spring_app spring; }
prepare_spring_prepared() { spring_app spring_prepared; }
prepare_spring_two() { spring_app spring_two; }
prepare_spring_two_mariadbj() { spring_app spring_two_mariadbj; }
prepare_hibernate() { spring_app hibernate; }
prepare_spring_mariadbj() { spring_app spring_mariadbj; }

rails_app() { packages ruby ruby-activerecord ruby-mysql2 && command=(ruby -W0 "$here/rails/app.rb" "$1"); }
prepare_rails() { rails_app rails; }
prepare_rails_prepared() { rails_app rails_prepared; }
laravel_app() {
  packages php-cli php-mysql php-illuminate-database php-illuminate-filesystem php-illuminate-events &&
    command=(php -d display_errors=stderr -d error_reporting=8191 "$here/laravel/app.php" "$1")
}
prepare_laravel() { laravel_app laravel; }
prepare_laravel_emulated() { laravel_app laravel_emulated; }

node_modules() { # folder
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache/$1" && cp -r "$here/$1/." "$cache/$1/" && cd "$cache/$1" && npm ci --ignore-scripts --no-audit --no-fund
}
node_app() { # folder, install command: programs run where their modules are
  need node npm && once "$1" $(find "$here/$1" -type f -not -path '*/node_modules/*' | sort) "$here/shared/harness.js" -- "$2" "$1" &&
    command=(node "$cache/$1/app.js")
}
prepare_knex() { node_app knex node_modules; }
# The client is generated without Prisma's schema engine, which only comes from outside the registries.
prisma_client() {
  node_modules "$1" && PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1 npx --no-install prisma generate
}
prepare_prisma() { node_app prisma prisma_client; }

gorm_build() { cd "$here/gorm" && GOMODCACHE=$cache/go-mod GOFLAGS=-modcacherw go build -o "$cache/gorm" .; }
gorm_app() { need go && once gorm "$here"/gorm/go.* "$here"/gorm/*.go -- gorm_build && command=("$cache/gorm" "$1"); }
prepare_gorm() { gorm_app gorm; }
prepare_gorm_prepared() { gorm_app gorm_prepared; }
