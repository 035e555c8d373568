/** Who visits: an anonymous id that stays, the user once the page has told it, and the session. */

import { get, set } from './storage'

const IDLE_MS = 30 * 60_000 // a session ends after so long without an event

/** Return a random UUID, version 4. Also on pages without TLS, where `crypto.randomUUID` is missing. */
export function uuid(): string {
  return '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16),
  )
}

/** Return the id of this browser. */
export function anonymousId(): string {
  const id = get('id') ?? uuid()
  set('id', id)
  return id
}

/** Return the id of the session that an event at `nowMs` belongs to. The tabs of a browser share it. */
export function sessionId(nowMs: number): string {
  const [id, lastMs] = (get('session') ?? '').split(' ')
  const session = id && nowMs - +lastMs! < IDLE_MS ? id : uuid()
  set('session', session + ' ' + nowMs)
  return session
}
