import type { FR_PROP_FULLRESPONSE } from '@app/cmc'
import { AppError, DISPOSITIONS, toBase64 } from '@app/core'
import { decodeAuthority, decodeDer, type Authority, type AuthorityAnswer } from './authorities.js'
import { Transport, type ConnectionSettings } from './transport.js'

/** What the server says of a request; see the REST interface. */
export interface RequestStatus {
  readonly requestId: number
  readonly disposition: number
  readonly dispositionName: string
  readonly dispositionMessage: string
  readonly lastStatus: string
  readonly statusSymbol: string
  readonly ca: string
  readonly template?: string
  readonly archivedKey: boolean
  readonly serialNumber?: string
  readonly submittedAt: string
  readonly resolvedAt?: string
}

/** A property's value: text, a number, a date in ISO 8601, or bytes. */
export type PropertyValue = string | number | Uint8Array

/** What {@link CertRequest} needs to know. */
export interface CertRequestSettings extends ConnectionSettings {
  /** The CA's name; it may be left out of calls that are not about one CA. */
  readonly ca: string
}

/** How Submit behaves. */
export interface SubmitOptions {
  /** The CR_IN word: encoding and format of the request. 0 lets the server find out. */
  readonly flags?: number
  /** Request attributes, one `Name:Value` a line. */
  readonly attributes?: string
  /** Seconds to wait for the outcome; 10 if absent. */
  readonly wait?: number
  /** Makes a repeated call answer as the first did. */
  readonly idempotencyKey?: string
}

interface PropertyAnswer {
  readonly type: 'long' | 'date' | 'binary' | 'string'
  readonly value: string | number
}

/**
 * The client's side of ICertRequest (MS-WCCE 3.1.1): submits requests to one CA and reads what became of them.
 * As in COM, an object remembers its last request, and the getters tell of that one.
 */
export class CertRequest implements AsyncDisposable {
  private readonly transport: Transport
  private readonly base: string
  private last: RequestStatus | undefined

  constructor(private readonly settings: CertRequestSettings) {
    this.transport = new Transport(settings)
    this.base = `/api/v1/cas/${encodeURIComponent(settings.ca)}`
  }

  /**
   * Submits a request (PKCS#10 or CMC, DER) and answers its disposition, CR_DISP_*. A request that is denied or
   * fails is answered, not thrown; see {@link lastStatus} and {@link dispositionMessage}.
   */
  async submit(request: Uint8Array, options: SubmitOptions = {}): Promise<number> {
    const wait = options.wait ?? 10
    const body = { request: toBase64(request), flags: options.flags ?? 0, attributes: options.attributes }
    this.last = await this.transport.json<RequestStatus>({
      method: 'POST',
      path: `${this.base}/requests`,
      query: { wait },
      wait,
      headers: {
        'content-type': 'application/json',
        ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey })
      },
      body: JSON.stringify(body)
    })
    return this.last.disposition
  }

  /**
   * Sends a CMC message to the CA and answers its signed full response, DER: for a renewal that needs no credential, since
   * the old key's signature stands for one where the template lets it.
   */
  async exchange(message: Uint8Array): Promise<Uint8Array> {
    const answer = await this.transport.call({
      method: 'POST',
      path: `/cmc/${encodeURIComponent(this.settings.ca)}`,
      wait: 20,
      headers: { 'content-type': 'application/pkcs7-mime; smime-type=CMC-Request' },
      body: message
    })
    return answer.body
  }

  /** Asks what became of a request and makes it the last one. Answers its disposition, CR_DISP_*. */
  async retrievePending(requestId: number, options: { readonly wait?: number } = {}): Promise<number> {
    const wait = options.wait ?? 0
    const path = `${this.base}/requests/${requestId}`
    this.last = await this.transport.json<RequestStatus>({ path, query: { wait }, wait })
    return this.last.disposition
  }

  /** Withdraws a request that is pending. */
  async withdraw(requestId: number): Promise<void> {
    await this.transport.call({ method: 'DELETE', path: `${this.base}/requests/${requestId}` })
  }

  /** All that is known of the last request. Throws `invalid_argument` when there is none. */
  get status(): RequestStatus {
    if (this.last === undefined) {
      throw new AppError('invalid_argument', 'No request has been submitted or retrieved with this object yet.')
    }
    return this.last
  }

  /** The last request's id. */
  get requestId(): number {
    return this.status.requestId
  }

  /** The last request's HRESULT, as 0x and eight hexadecimal digits. */
  get lastStatus(): string {
    return this.status.lastStatus
  }

  /** What the CA says about the last request's disposition. */
  get dispositionMessage(): string {
    return this.status.dispositionMessage
  }

  /** The text of an HRESULT; with flag 1 (CR_GEMT_HRESULT_STRING) it ends in the number. */
  async getErrorMessageText(status: string | number, flags = 0): Promise<string> {
    const hresult = typeof status === 'number' ? `0x${(status >>> 0).toString(16).padStart(8, '0')}` : status
    const answer = await this.transport.json<{ readonly text: string; readonly textWithCode: string }>({
      path: `/api/v1/errors/${hresult}`
    })
    return (flags & 1) === 0 ? answer.text : answer.textWithCode
  }

  /** The CA's signing certificate, or its exchange certificate, made when there is none. DER. */
  async getCACertificate(options: { readonly exchange?: boolean } = {}): Promise<Uint8Array> {
    const query = { exchange: options.exchange ?? false, format: 'der' }
    return (await this.transport.call({ path: `${this.base}/certificate`, query })).body
  }

  /** The CA: its names, its certificate and all above it, the templates it offers. */
  async getAuthority(): Promise<Authority> {
    return decodeAuthority(await this.transport.json<AuthorityAnswer>({ path: this.base }))
  }

  /** A property of the CA, by CR_PROP number or name. */
  getCAProperty(property: number | string, index = 0): Promise<PropertyValue> {
    return this.property(`${this.base}/properties/${property}`, index)
  }

  /** A property of the last request's full response, by FR_PROP number or name. */
  getFullResponseProperty(property: typeof FR_PROP_FULLRESPONSE, index?: number): Promise<Uint8Array>
  getFullResponseProperty(property: number | string, index?: number): Promise<PropertyValue>
  getFullResponseProperty(property: number | string, index = 0): Promise<PropertyValue> {
    return this.property(`${this.base}/requests/${this.requestId}/full-response/properties/${property}`, index)
  }

  /** The last request's full response, signed by the CA. DER. */
  async getFullResponse(): Promise<Uint8Array> {
    const path = `${this.base}/requests/${this.requestId}/full-response`
    return (await this.transport.call({ path, query: { encoding: 'der' } })).body
  }

  /** The certificate issued for the last request. DER. Throws `not_found` when there is none. */
  async getCertificate(): Promise<Uint8Array> {
    const path = `${this.base}/requests/${this.requestId}/certificate`
    return (await this.transport.call({ path, query: { format: 'der' } })).body
  }

  /** Whether the last request's disposition says that its certificate was issued. */
  get isIssued(): boolean {
    return this.status.disposition === DISPOSITIONS.issued
  }

  /** The CA's name as given. */
  get ca(): string {
    return this.settings.ca
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }

  private async property(path: string, index: number): Promise<PropertyValue> {
    const { type, value } = await this.transport.json<PropertyAnswer>({ path, query: { index } })
    return type === 'binary' ? decodeDer(String(value)) : value
  }
}
