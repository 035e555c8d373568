/** What the shop sells: pictures are paths in a box of 96 by 96. */

export const CATEGORIES = { light: 'Light', desk: 'Desk', travel: 'Travel' }

export const PRODUCTS = [
  { id: 'desk-lamp', category: 'light', name: 'Desk lamp', price: 49, hue: 42, text: 'A warm light on a long arm. It stays where you put it.',
    picture: 'M30 80h32M46 80V56l-16-20 22-18M44 10l20 16-14 4z' },
  { id: 'lantern', category: 'light', name: 'Lantern', price: 35, hue: 20, text: 'For the table outside. Twenty hours on one charge.',
    picture: 'M36 24a12 12 0 0 1 24 0M32 30h32v8H32zM34 38v38h28V38M30 76h36v6H30zM48 48c8 8 6 18 0 18s-8-10 0-18z' },
  { id: 'reading-light', category: 'light', name: 'Reading light', price: 19, hue: 60, text: 'Clips to a book, and lets others sleep.',
    picture: 'M18 74h60M24 74V58h48v16M48 58V34c0-10 14-12 18-4M60 26l14 6-6 12z' },
  { id: 'notebook', category: 'desk', name: 'Notebook', price: 12, hue: 210, text: 'Two hundred pages that lie flat.',
    picture: 'M28 16h38a4 4 0 0 1 4 4v56a4 4 0 0 1-4 4H28zM36 16v64M46 32h14M46 42h14' },
  { id: 'pen', category: 'desk', name: 'Fountain pen', price: 28, hue: 260, text: 'A steel nib and a cap that closes with a click.',
    picture: 'M20 76l6-20 36-36a8 8 0 0 1 14 14L40 70zM26 56l14 14M56 26l14 14M20 76l10-10' },
  { id: 'mug', category: 'desk', name: 'Mug', price: 14, hue: 165, text: 'Holds a third of a litre. Keeps it warm for one meeting.',
    picture: 'M24 34h40v34a10 10 0 0 1-10 10H34a10 10 0 0 1-10-10zM64 42h6a8 8 0 0 1 0 20h-6M36 16c-4 5 4 7 0 12M50 16c-4 5 4 7 0 12' },
  { id: 'backpack', category: 'travel', name: 'Backpack', price: 79, hue: 120, text: 'Twenty litres, four pockets, no squeaks.',
    picture: 'M28 38a20 20 0 0 1 40 0v42H28zM38 20a10 10 0 0 1 20 0M36 52h24v16H36zM44 52v6M28 56h-6v16h6M68 56h6v16h-6' },
  { id: 'bottle', category: 'travel', name: 'Bottle', price: 22, hue: 195, text: 'Cold stays cold. Half a litre of it.',
    picture: 'M40 12h16v10H40zM40 22c0 8-8 8-8 18v36a6 6 0 0 0 6 6h20a6 6 0 0 0 6-6V40c0-10-8-10-8-18M32 50h32M32 64h32' },
  { id: 'umbrella', category: 'travel', name: 'Umbrella', price: 31, hue: 340, text: 'Small enough to forget. Strong enough to be missed.',
    picture: 'M14 50a34 34 0 0 1 68 0c-6-6-14-6-17 0-4-6-13-6-17 0-4-6-13-6-17 0-3-6-11-6-17 0zM48 50v22a6 6 0 0 0 12 0M48 16v-6' },
]
