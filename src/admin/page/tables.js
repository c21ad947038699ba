// Part 4 of 5: statements, reasons, pins and waits, changes, explain.

// ---- Statements -----------------------------------------------------------------------------------------------------

const waited = (digest) => digest.waited_us.hold + digest.waited_us.pool + digest.waited_us.position;
const counts = (of) => Object.entries(of).sort((a, b) => b[1] - a[1]);
const words = (reason) => (shown.now ? shown.now.sums.reasons : []).find((known) => known.reason === reason)?.words || reason;

function showDigests() {
  if (!shown.digests) return;
  const wanted = $('filter').value.toLowerCase();
  const value = (digest) => (shown.sort === 'waited' ? waited(digest) : digest[shown.sort]);
  const all = shown.digests.digests.filter((digest) => [digest.digest_text, digest.user, digest.schema].some((of) => of.toLowerCase().includes(wanted)));
  all.sort((a, b) => value(b) - value(a));
  keyed($('digests').tBodies[0], all, (digest) => JSON.stringify([digest.user, digest.schema, digest.digest]), makeDigest, showDigest);
  $('digests').hidden = !shown.digests.digests.length;
  $('no-digests').hidden = !$('digests').hidden;
}

function makeDigest() {
  const row = cells(8);
  row.firstChild.append(el('details', {}, el('summary', {}, el('span', { class: 'sql' }), el('span', { class: 'hint' })), el('dl')));
  for (const [at, label] of [[1, 'Count'], [2, 'Time'], [3, '95 %'], [4, 'Waited'], [7, 'Errors']]) row.children[at].setAttribute('data-label', label);
  return row;
}

function showDigest(row, digest) {
  const [first, count, time, p95, wait, target, reason, errors] = row.children;
  const [sql, whose] = first.firstChild.firstChild.children;
  const list = (of, name) => counts(of).map(([key, n]) => `${name ? name(key) : key}: ${number(n)}`).join('; ') || '–';
  text(sql, digest.digest_text);
  text(whose, `${digest.user}${digest.schema && ' · '}${digest.schema}`);
  text(count, number(digest.count));
  text(time, micros(digest.sum_us));
  text(p95, micros(digest.p95_us));
  text(wait, waited(digest) ? micros(waited(digest)) : '–');
  text(target, counts(digest.targets).map(([key, n]) => `${key} ${number((100 * n) / digest.count)} %`).join(', '));
  text(reason, counts(digest.reasons).slice(0, 1).map(([key]) => words(key)).join(''));
  text(errors, digest.failed ? number(digest.failed) : '–');
  for (const cell of [wait, errors]) attribute(cell, 'data-empty', cell.textContent === '–' ? '' : null);
  const waits = digest.waited_us;
  const facts = [
    ['Digest', digest.digest],
    ['Reasons', list(digest.reasons, words)],
    ['Pins', list(digest.pins)],
    ['Waited', `for a primary ${micros(waits.hold)}, for a connection ${micros(waits.pool)}, for a position ${micros(waits.position)}`],
    ['Times', `50 %: ${micros(digest.p50_us)}, 95 %: ${micros(digest.p95_us)}, 99 %: ${micros(digest.p99_us)}, longest ${micros(digest.max_us)}`],
    ['Rows', `${number(digest.rows_sent)} sent, ${number(digest.rows_affected)} changed`],
    ['Bytes', `${bytes(digest.bytes_in)} from clients, ${bytes(digest.bytes_out)} to clients`],
    ['Errors', list(digest.errors)],
    ['Failovers', list(digest.disruptions, (effect) => effect.replaceAll('_', ' '))],
  ];
  const details = first.firstChild;
  const show = () => details.open && showFacts(details.lastChild, facts);
  details.ontoggle = show;
  show();
}

function showFacts(dl, facts) {
  keyed(dl, facts.flatMap(([name, value]) => [['dt', name, name], ['dd', value, name]]), ([kind, , name]) => `${kind} ${name}`, ([kind]) => el(kind), (node, [, value]) => text(node, value));
}

// ---- Reasons, pins, waits -------------------------------------------------------------------------------------------

function showReasons() {
  const { reasons } = shown.now.sums;
  const total = reasons.reduce((sum, reason) => sum + reason.count, 0);
  keyed($('why'), reasons.slice(0, 15), (reason) => `${reason.target} ${reason.reason}`, () => cells(4), (row, reason) => {
    text(row.children[0], reason.words);
    text(row.children[1], reason.target);
    text(row.children[2], number(reason.count));
    text(row.children[3], `${tenth.format((100 * reason.count) / total)} %`);
  });
  $('no-reasons').hidden = reasons.length > 0;
  $('why').parentElement.hidden = !reasons.length;
}

function showPins() {
  const { pins, waits, disruptions, false_reports = [] } = shown.now.sums;
  const all = [...pins].sort((a, b) => b.seconds - a.seconds || b.count - a.count);
  keyed($('pinned'), all, (pin) => pin.pin, () => cells(3), (row, pin) => {
    text(row.children[0], pin.words);
    text(row.children[1], number(pin.count));
    text(row.children[2], micros(pin.seconds * 1e6));
  });
  $('no-pins').hidden = pins.length > 0;
  $('pinned').parentElement.hidden = !pins.length;
  const fresh = Object.fromEntries(waits.fresh_reads);
  const each = waits.position_waits ? micros((waits.position_seconds * 1e6) / waits.position_waits) : '–';
  showFacts($('waits'), [
    ['Now for a primary', number(waits.writer)],
    ['Now for a server connection', number(waits.connection)],
    ['Now for a replica that is fresh enough', number(waits.replica)],
    ['Waited in line for a server connection', number(waits.pool_waits)],
    ['Reads whose replica was fresh', number(fresh.there || 0)],
    ['Reads that waited for a fresh replica', number(fresh.waited || 0)],
    ['Reads that the primary answered instead', number(fresh.primary || 0)],
    ['Mean wait of a read', each],
    ...disruptions.map(([effect, count]) => [`Changes of the primary: ${effect.replaceAll('_', ' ')}`, number(count)]),
    ...false_reports.map(([what, count]) => [`Refused reports of replicas: ${what.replaceAll('_', ' ')}`, number(count)]),
  ]);
}

// ---- Changes --------------------------------------------------------------------------------------------------------

function cost(change) {
  if (!change.cost) return change.to ? ['', change.from ? 'the effects are counted for two seconds' : ''] : ['', ''];
  const of = change.cost;
  const errors = of.hold_expired + of.rolled_back + of.outcome_unknown + of.answer_cut + of.state_lost;
  const parts = [`${micros(of.without_writer_ms * 1000)} without a primary`, `${plural(of.held, 'statement', 'statements')} waited`];
  if (of.moved) parts.push(`${plural(of.moved, 'session', 'sessions')} moved`);
  if (of.retried) parts.push(`${plural(of.retried, 'read', 'reads')} ran again`);
  if (of.replayed) parts.push(`${plural(of.replayed, 'transaction', 'transactions')} ran again`);
  parts.push(errors ? `${plural(errors, 'client', 'clients')} got an error` : 'no client got an error');
  return [errors ? ' bad' : '', parts.join(', ')];
}

function showChanges() {
  const { history } = shown.now.report;
  keyed($('history'), [...history].reverse(), (change) => `${change.at_ms} ${change.generation} ${change.to}`, () => {
    return el('li', {}, el('p', {}, el('b'), ' ', el('time', { class: 'hint' })), el('p'), el('p'));
  }, (item, change) => {
    const [head, reason, effect] = item.children;
    attribute(item, 'class', change.to ? null : 'lost');
    text(head.firstChild, change.to ? `${change.to} became the primary` : `${change.from || 'The primary'} is not the primary any more`);
    attribute(head.lastChild, 'datetime', new Date(change.at_ms).toISOString());
    text(head.lastChild, `${clock(change.at_ms)}, ${ago(change.at_ms)}, generation ${number(change.generation)}`);
    text(reason, change.reason);
    const [kind, words] = cost(change);
    attribute(effect, 'class', `cost${kind}`);
    text(effect, words);
  });
  $('no-changes').hidden = history.length > 0;
}

// ---- Explain --------------------------------------------------------------------------------------------------------

async function explain(event) {
  event.preventDefault();
  const sql = $('sql').value;
  if (!sql.trim()) return;
  try {
    const answer = await fetch('explain', { method: 'POST', headers: { ...authorized(), 'X-Pointsman': 'explain', 'Content-Type': 'text/plain' }, body: sql });
    if (!answer.ok) {
      $('answer').replaceChildren(el('p', {}, await answer.text()));
      return;
    }
    const found = await answer.json();
    const dl = el('dl');
    showFacts(dl, [
      ['Goes to', found.goes_to],
      ['Because', `${found.because} (${found.reason})`],
      ['Kind', found.kind],
      ['Leaves', found.leaves.join(', ') || 'nothing that keeps the session on its server connection'],
      ['Retry', found.repeatable ? 'it runs again on another server if its server is lost before it answers' : 'it does not run again if its server is lost while it runs'],
    ]);
    $('answer').replaceChildren(dl);
  } catch {
    $('answer').replaceChildren(el('p', {}, 'The proxy did not answer.'));
  }
}
