// Part 2 of 5: the head, the alarms and the picture of the servers.

// ---- The head and the alarms ----------------------------------------------------------------------------------------

function showHeader() {
  const { report } = shown.now;
  text($('summary'), `${report.pointsman} · ${report.state} for ${age(report.uptime_ms / 1000)} · generation ${number(report.generation)}`);
  document.title = report.writer ? `${report.writer} – Pointsman` : 'no primary – Pointsman';
  const since = report.config.since_ms ? ` In effect since ${clock(report.config.since_ms)}.` : '';
  text($('config-note'), `The settings in effect. Passwords and tokens are hidden.${since} SHA-256 of the file: ${report.config.sha256.slice(0, 16)}…`);
}

const ALARMS = {
  several_candidates: 'several servers are writable, and nothing says which is the primary',
  no_candidate: 'no server is a writable primary',
  former_primary: 'only a former primary is writable',
};

function alarms(report) {
  const all = [];
  if (!report.writer) {
    const reading = report.maintenance.includes('read_only');
    const why = reading ? 'a read-only maintenance was asked for' : ALARMS[report.alarm] || report.alarm || 'none was found yet';
    const detail = report.alarm_detail ? ` (${report.alarm_detail})` : '';
    all.push({ bad: !reading, text: `No primary: ${why}${detail}. Statements that write wait.` });
  } else if (report.alarm) {
    all.push({ bad: true, text: `Alarm: ${report.alarm_detail || ALARMS[report.alarm] || report.alarm}.` });
  }
  for (const server of report.servers) {
    if (server.barred) all.push({ bad: true, text: `${server.name} lets no probe in; sessions' connections tell its role, what else is shown of it is from before: ${server.last_error}` });
    if (server.health === 'down') all.push({ bad: false, text: `${server.name} is down: ${server.last_error || 'no answer'}` });
  }
  if (report.state === 'draining') all.push({ bad: false, text: 'This proxy is draining: it is about to end.' });
  if (report.maintenance.length) all.push({ bad: false, text: `Maintenance: ${report.maintenance.join(', ')}.` });
  if (report.config.awaited) all.push({ bad: false, text: 'The configuration file that this proxy was started for did not come yet.' });
  if (report.users_passing_read_only.length) {
    all.push({ bad: false, text: `Accounts that can write to a read-only server: ${report.users_passing_read_only.join(', ')}` });
  }
  for (const watch of report.kubernetes) {
    if (!report.servers.length && watch.looks_for) all.push({ bad: true, text: `There is no server among the ${watch.looks_for}.` });
    if (!watch.connected) all.push({ bad: false, text: `The watch of ${watch.resource} in Kubernetes is not connected: ${watch.error || 'no reason is known'}` });
  }
  return all;
}

function showAlarms() {
  keyed($('alarms'), alarms(shown.now.report), (alarm) => alarm.text, () => el('p'), (node, alarm) => {
    attribute(node, 'class', alarm.bad ? 'bad' : null);
    text(node, alarm.text);
  });
}

// ---- The picture ----------------------------------------------------------------------------------------------------

const RANK = { primary: 0, replica: 1 };

function showServers() {
  const { report } = shown.now;
  showProxy(report);
  const zones = new Map();
  const named = report.servers.some((server) => server.zone);
  const servers = [...report.servers].sort((a, b) => (RANK[a.role] ?? 2) - (RANK[b.role] ?? 2));
  for (const server of servers) {
    const zone = named ? server.zone || 'no zone' : '';
    zones.set(zone, [...(zones.get(zone) || []), server]);
  }
  keyed($('zones'), [...zones], ([zone]) => zone, ([zone]) => {
    const box = el('div', { class: zone ? 'zone named' : 'zone' }, el('p'), el('div', { class: 'zone' }));
    return box;
  }, (box, [zone, members]) => {
    text(box.firstElementChild, zone && `zone ${zone}`);
    keyed(box.lastElementChild, members, (server) => server.name, makeServer, showServer);
  });
  if (shown.writer !== undefined && shown.writer !== report.writer) flash(report.writer);
  shown.writer = report.writer;
  drawLines();
}

function showProxy(report) {
  const before = shown.before && shown.before.report;
  const passed = before && (report.uptime_ms - before.uptime_ms) / 1000;
  keyed($('ports'), report.traffic.ports, (port) => port.mode, () => el('li', {}, el('b'), document.createTextNode('')), (item, port) => {
    const old = before && before.traffic.ports.find((other) => other.mode === port.mode);
    const perSecond = old && passed > 0 ? Math.max(0, (port.statements - old.statements) / passed) : 0;
    text(item.firstChild, port.mode);
    text(item.lastChild, ` port: ${plural(port.clients, 'client', 'clients')}, ${rate(perSecond)} statements/s`);
  });
  const { server_connections: open, server_idle: idle } = report.traffic;
  text($('pool'), `${plural(open, 'server connection', 'server connections')}, ${number(idle)} idle`);
}

function makeServer() {
  return el('article', { class: 'server' }, el('div', { class: 'top' }, el('h3')), el('p'), el('p', { class: 'faint' }), el('p', { class: 'error' }));
}

function tags(server) {
  const all = [[server.role === 'none' ? 'no role' : server.role, server.role]];
  if (server.health !== 'up') all.push([server.health, server.health === 'down' ? 'bad' : 'warn']);
  if (server.drained) all.push([`drained by ${server.drained}`, 'warn']);
  else if (server.role === 'replica' && server.health === 'up' && !server.serves_reads) all.push(['gets no reads', 'warn']);
  if (server.deleting) all.push(['being deleted', 'warn']);
  if (server.replicating === false) all.push(['replication stopped', 'bad']);
  if (server.role === 'none' && server.read_only === false) all.push(['writable', 'warn']);
  if (server.label && server.label !== server.role) all.push([`label: ${server.label}`, 'warn']);
  return all;
}

function showServer(card, server) {
  const [top, facts, place, error] = card.children;
  attribute(card, 'data-role', server.role);
  attribute(card, 'data-health', server.health);
  attribute(card, 'data-name', server.name);
  text(top.firstElementChild, server.name);
  const wanted = [['', 'name'], ...tags(server)];
  keyed(top, wanted, ([word], at) => (at ? word : undefined), () => el('span'), (tag, [word, kind]) => {
    if (tag.tagName === 'H3') return;
    attribute(tag, 'class', `tag ${kind}`);
    text(tag, word);
  });
  const line = [];
  const moved = shown.now.report.history.findLast((change) => change.to === server.name);
  if (server.role === 'primary' && moved) line.push(`primary for ${age(Math.max(0, (shown.at - moved.at_ms) / 1000))}`);
  const left = shown.now.report.history.findLast((change) => change.from === server.name);
  if (server.role !== 'primary' && left) line.push(`primary until ${clock(left.at_ms)}`);
  if (server.role === 'replica') line.push(server.lag_ms === null ? 'lag unknown' : `lag ${server.lag_ms < 1000 ? `${server.lag_ms} ms` : seconds(server.lag_ms / 1000)}`);
  if (server.probe_us !== null) line.push(`probe ${micros(server.probe_us)}`);
  if (server.missed_probes) line.push(`${plural(server.missed_probes, 'probe', 'probes')} without an answer`);
  text(facts, line.join(' · '));
  const flavor = { mysql: 'MySQL', mariadb: 'MariaDB' }[server.flavor] || '';
  const version = [flavor, (server.version || '').replace(/-mariadb.*/i, '')].join(' ').trim();
  text(place, [server.address, version, server.tls].filter(Boolean).join(' · '));
  text(error, server.health === 'up' ? '' : server.last_error || '');
}

function flash(writer) {
  for (const card of document.querySelectorAll('.server')) {
    card.classList.toggle('moved', card.getAttribute('data-name') === writer);
  }
}

// The server that another one replicates from: by its address, or by the first part of its name.
function sourceOf(server, servers) {
  if (!server.source) return null;
  const host = server.source.replace(/:\d+$/, '');
  return servers.find((other) => other.address === server.source) ||
    servers.find((other) => other.name === host || other.name === host.split('.')[0]) || null;
}

function drawLines() {
  const map = document.querySelector('.map');
  const lines = map.querySelector('.lines');
  const base = map.getBoundingClientRect();
  const box = (node) => {
    const at = node.getBoundingClientRect();
    return { left: at.left - base.left, right: at.right - base.left, top: at.top - base.top, bottom: at.bottom - base.top, middle: (at.top + at.bottom) / 2 - base.top };
  };
  const proxy = box(map.querySelector('.proxy'));
  const cards = new Map();
  for (const card of map.querySelectorAll('.server')) cards.set(card.getAttribute('data-name'), box(card));
  const paths = [];
  for (const server of shown.now ? shown.now.report.servers : []) {
    const card = cards.get(server.name);
    if (!card) continue;
    const kind = server.health === 'down' ? 'down' : server.role === 'primary' ? 'write' : server.serves_reads ? 'read' : 'off';
    paths.push({ key: `to ${server.name}`, kind, d: lineTo(proxy, card) });
    const source = sourceOf(server, shown.now.report.servers);
    const from = source && cards.get(source.name);
    if (from && server.replicating) {
      const out = Math.max(from.right, card.right);
      paths.push({ key: `from ${server.name}`, kind: 'flow', d: `M${from.right} ${from.middle - 6}C${out + 32} ${from.middle - 6} ${out + 32} ${card.middle} ${card.right + 8} ${card.middle}` });
      paths.push({ key: `head ${server.name}`, kind: 'head', d: `M${card.right + 1} ${card.middle}l9 -4.5v9z` });
    }
  }
  keyed(lines, paths, (path) => path.key, () => svg('path'), (node, path) => {
    attribute(node, 'class', path.kind);
    attribute(node, 'd', path.d);
  });
}

function lineTo(proxy, card) {
  if (card.left < proxy.right) {
    // On a narrow screen the servers stand below: the line goes down in the left margin.
    const out = Math.min(proxy.left, card.left) - 12;
    return `M${proxy.left} ${proxy.middle}C${out} ${proxy.middle} ${out} ${proxy.middle} ${out} ${proxy.bottom}V${card.middle - 12}Q${out} ${card.middle} ${card.left} ${card.middle}`;
  }
  const half = (proxy.right + card.left) / 2;
  return `M${proxy.right} ${proxy.middle}C${half} ${proxy.middle} ${half} ${card.middle} ${card.left} ${card.middle}`;
}
