/** Views of pages, also of applications that change the address without loading a page. */

let seen = '' // the page that was told last
let before = document.referrer

/** Return the address without its fragment: that is a place on the page, and sometimes a secret. */
export const address = (): string => location.href.split('#')[0]!

/** Tell `view` of each change of address, once the application has set the new title; and of a page shown again. */
export function watch(view: () => void): void {
  const later = () => setTimeout(view)
  for (const name of ['pushState', 'replaceState'] as const) {
    const own = history[name]
    history[name] = function (...given) {
      own.apply(this, given)
      later()
    }
  }
  addEventListener('popstate', later)
}

/** Return the properties of a view; undefined if this page was told already. */
export function viewed(): Record<string, unknown> | undefined {
  if (seen === address()) return
  const properties = { title: document.title, referrer: before }
  before = seen = address()
  return properties
}

/** Let the present page be told again. */
export function again(): void {
  seen = ''
}
