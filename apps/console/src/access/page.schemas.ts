import { z } from 'zod'
import type { Page } from '@app/storage'

/** How every list of the console is paged: so many a page, after the cursor that the page before gave. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(200).optional().describe('The `next` of the page before.')
})

/** An id that the program gave. */
export const uuidParameter = z.uuid()

/** A cursor that is an id. */
export const uuidPageQuery = pageQuery.extend({ cursor: z.uuid().optional() })

/** What a list answers: one page, and the cursor of the next one unless it is the last. */
export function pageView<Item extends z.ZodType>(
  item: Item
): z.ZodObject<{ items: z.ZodArray<Item>; next: z.ZodOptional<z.ZodString> }> {
  return z.object({ items: z.array(item), next: z.string().optional() })
}

/** A page of rows as a list answers it. */
export function pageOfViews<Row, View>(
  { rows, next }: Page<Row, string | number>,
  view: (row: Row) => View
): { items: View[]; next?: string } {
  return { items: rows.map(view), ...(next === undefined ? {} : { next: String(next) }) }
}
