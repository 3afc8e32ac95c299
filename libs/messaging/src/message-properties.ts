import { AppError } from '@app/core'
import { formatHresult, HRESULTS } from '@app/cmc'

/** Properties that a receiver asks for by number or name, of those that have to do with security. */
const PROPERTIES: Readonly<Record<string, number>> = {
  PROPID_M_SENDERID: 20,
  PROPID_M_PRIV_LEVEL: 23,
  PROPID_M_AUTH_LEVEL: 24,
  PROPID_M_AUTHENTICATED: 25,
  PROPID_M_SENDER_CERT: 28,
  PROPID_M_SECURITY_CONTEXT: 37
}

/** What only a sender sets: it is nothing of the message, and means nothing to a receiver. */
const WRITE_ONLY: ReadonlySet<number> = new Set([24, 37])

/** What asking for properties came to: an information is no error, and the message is given out. */
export interface PropertyStatus {
  readonly code: 'MQ_OK' | 'MQ_INFORMATION_PROPERTY'
  readonly hresult: string
  /** Of each property that was asked for, in the order of the question. */
  readonly properties: readonly { readonly property: string; readonly code: string; readonly hresult: string }[]
}

/**
 * What a receiver that asks for properties is told of each: those that only a sender sets are ignored
 * (MQ_INFORMATION_PROPERTY_IGNORED), and the whole is MQ_INFORMATION_PROPERTY then. Throws `MQ_ERROR_INVALID_PARAMETER`
 * for a property that there is not.
 */
export function judgeAskedProperties(asked: readonly (string | number)[]): PropertyStatus {
  const properties = asked.map(one => {
    const found = Object.entries(PROPERTIES).find(([name, value]) => name === one || value === one)
    if (found === undefined) throw new AppError('MQ_ERROR_INVALID_PARAMETER', `No property is called ${one}.`)
    const [property, value] = found
    return WRITE_ONLY.has(value)
      ? { property, ...informationOf('MQ_INFORMATION_PROPERTY_IGNORED') }
      : { property, ...DONE }
  })
  const isWhole = properties.every(({ code }) => code === 'MQ_OK')
  return { ...(isWhole ? DONE : informationOf('MQ_INFORMATION_PROPERTY')), properties }
}

const DONE = { code: 'MQ_OK', hresult: formatHresult(0) } as const

function informationOf<Code extends 'MQ_INFORMATION_PROPERTY' | 'MQ_INFORMATION_PROPERTY_IGNORED'>(code: Code) {
  return { code, hresult: formatHresult(HRESULTS[code].value) }
}
