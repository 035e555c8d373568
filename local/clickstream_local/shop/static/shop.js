/**
 * The shop: one page whose address changes without loading another. Nothing here counts clicks: the tag sees the
 * address change and the buttons with `data-click`.
 */

import { CATEGORIES, PRODUCTS } from './products.js'

const UNKNOWN = '' // a visitor without a profile
const COUNT_EVERY_MS = 500
const VISITORS = JSON.parse(document.getElementById('visitors').textContent)
const cart = new Map() // product id -> pieces
const $$ = (id) => document.getElementById(id)
const money = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'EUR' })

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

function picture({ picture, hue }) {
  const frame = element('div', { class: 'picture', style: `--hue: ${hue}` })
  frame.innerHTML = `<svg viewBox="0 0 96 96" aria-hidden="true"><path d="${picture}"/></svg>`
  return frame
}

function adding(product) {
  const button = element(
    'button',
    { type: 'button', class: 'primary', 'data-click': 'add_to_cart', 'data-click-product': product.id, 'data-click-price': product.price },
    'Add to cart',
  )
  button.addEventListener('click', () => {
    cart.set(product.id, (cart.get(product.id) ?? 0) + 1)
    showCart(true)
  })
  return button
}

function tile(product) {
  const link = element('a', { class: 'tile-link', href: `/products/${product.id}` }, picture(product), element('h2', {}, product.name))
  return element('li', { class: 'card tile' }, link, element('div', { class: 'tile-end' }, element('b', {}, money.format(product.price)), adding(product)))
}

function list(category) {
  const shown = PRODUCTS.filter((each) => !category || each.category === category)
  return [element('h1', {}, CATEGORIES[category] ?? 'Everything'), element('ul', { class: 'tiles' }, ...shown.map(tile))]
}

function detail(product) {
  const back = element('a', { class: 'back', href: `/${product.category}` }, `← ${CATEGORIES[product.category]}`)
  const words = element('div', { class: 'words' }, element('h1', {}, product.name), element('p', {}, product.text), element('b', { class: 'price' }, money.format(product.price)), adding(product))
  return [back, element('article', { class: 'card detail' }, picture(product), words)]
}

/** Show what the address says. */
function show() {
  const [, first, second] = location.pathname.split('/')
  const product = PRODUCTS.find((each) => first === 'products' && each.id === second)
  const category = product?.category ?? (first in CATEGORIES ? first : '')
  $$('main').replaceChildren(...(product ? detail(product) : list(category)))
  document.title = `${product?.name ?? CATEGORIES[category] ?? 'Everything'} · Corner shop`
  const links = [['', 'Everything'], ...Object.entries(CATEGORIES)].map(([name, text]) =>
    element('a', { href: `/${name}`, ...(name === category && { 'aria-current': 'page' }) }, text),
  )
  $$('categories').replaceChildren(...links)
}

function follow(event) {
  const link = event.target.closest('a')
  if (!link || link.origin !== location.origin || link.target || event.metaKey || event.ctrlKey || event.shiftKey) return
  if (link.hash) return
  event.preventDefault()
  if (link.href !== location.href) history.pushState(null, '', link.href)
  show()
  scrollTo(0, 0)
  $$('main').focus({ preventScroll: true })
}

function showCart(open) {
  const pieces = [...cart.values()].reduce((sum, each) => sum + each, 0)
  const total = [...cart].reduce((sum, [id, each]) => sum + each * PRODUCTS.find((one) => one.id === id).price, 0)
  $$('in-cart').textContent = pieces
  $$('cart').hidden = !open
  $$('open-cart').setAttribute('aria-expanded', open)
  $$('cart-total').textContent = money.format(total)
  const buy = $$('buy')
  buy.disabled = !pieces
  buy.dataset.clickAmount = total
  buy.dataset.clickPieces = pieces
  if (pieces) $$('thanks').hidden = true
  const lines = [...cart].map(([id, each]) => {
    const product = PRODUCTS.find((one) => one.id === id)
    const gone = element('button', { type: 'button', class: 'quiet', 'data-click': 'remove_from_cart', 'data-click-product': id, 'aria-label': `Remove ${product.name}` }, '×')
    gone.addEventListener('click', () => {
      cart.delete(id)
      showCart(true)
    })
    return element('li', {}, element('span', {}, `${each} × ${product.name}`), element('span', {}, money.format(each * product.price)), gone)
  })
  $$('cart-lines').replaceChildren(...(lines.length ? lines : [element('li', { class: 'muted' }, 'Nothing yet.')]))
}

function bought() {
  cart.clear()
  $$('thanks').hidden = false
  showCart(true)
}

function chooseVisitor() {
  const picker = $$('visitor')
  for (const { id, name, plan } of VISITORS) picker.append(element('option', { value: id }, `${name} (${plan})`))
  picker.append(element('option', { value: UNKNOWN }, 'somebody unknown'))
  picker.value = localStorage.getItem('shop.visitor') ?? VISITORS[0].id
  picker.addEventListener('change', () => {
    localStorage.setItem('shop.visitor', picker.value)
    clickstream('identify', picker.value)
    count()
  })
  count()
}

/** Show what a pod answers about the visitor. */
async function count() {
  const user = $$('visitor').value
  if (!user) {
    $$('count').textContent = '–'
    $$('count-of').textContent = 'nothing is counted'
    $$('profile').textContent = 'No profile has your id. Your clicks are in the dead letters.'
    return
  }
  const answer = await fetch(`/counts/${encodeURIComponent(user)}`).catch(() => undefined)
  if (!answer?.ok || user !== $$('visitor').value) return
  const found = await answer.json()
  const clicks = String(found.clicks_last_5min ?? 0)
  if (clicks !== $$('count').textContent) {
    $$('count').textContent = clicks
    $$('count').classList.remove('changed')
    void $$('count').offsetWidth // so that the animation runs again
    $$('count').classList.add('changed')
  }
  $$('count-of').textContent = 'clicks of yours in 5 minutes'
  $$('profile').textContent = `${found.user_name}, ${found.country}, plan ${found.plan_tier}`
}

chooseVisitor()
show()
showCart(false)
addEventListener('popstate', show)
document.addEventListener('click', follow)
$$('open-cart').addEventListener('click', () => showCart($$('cart').hidden))
$$('buy').addEventListener('click', bought)
setInterval(() => document.hidden || count(), COUNT_EVERY_MS)
