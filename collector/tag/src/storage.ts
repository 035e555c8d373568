/**
 * What the tag keeps in localStorage: texts under one prefix. Where storage is blocked or full, a text lives in
 * memory for as long as the page.
 */

export const PREFIX = 'clickstream.'

const memory = new Map<string, string>()

/** Return a text, undefined where there is none. */
export function get(name: string): string | undefined {
  try {
    return memory.get(name) ?? localStorage.getItem(PREFIX + name) ?? undefined
  } catch {
    return undefined
  }
}

/** Keep a text; undefined removes it. */
export function set(name: string, text: string | undefined): void {
  memory.delete(name)
  try {
    if (text === undefined) localStorage.removeItem(PREFIX + name)
    else localStorage.setItem(PREFIX + name, text)
  } catch {
    if (text === undefined) return
    set(name, undefined) // full: what was there is out of date
    memory.set(name, text)
  }
}

/** Return the names of all that is in localStorage. */
export function names(): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)).map((key) => key.slice(PREFIX.length))
  } catch {
    return []
  }
}

/** Remove everything. */
export function clear(): void {
  memory.clear()
  for (const name of names()) set(name, undefined)
}
