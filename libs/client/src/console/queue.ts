import type { RequestState } from '@app/core'
import type { CertificatePreview } from '@app/issuance'
import type { InspectedRequest } from '@app/cmc'
import type { Transport } from '../transport.js'
import type { ListPage, PageOptions } from './page.js'

/** A request as the queue lists it. */
export interface QueuedRequest {
  readonly requestId: number
  readonly ca: string
  readonly state: RequestState
  readonly template?: string
  readonly requester: string
  /** Who sent it for the requester. */
  readonly caller?: string
  readonly subject?: string
  readonly keyId?: string
  readonly archivedKey: boolean
  readonly submittedAt: string
  /** When it is denied unless somebody has decided it. */
  readonly pendingUntil?: string
  readonly resolvedAt?: string
  readonly round: number
  readonly approvals: { readonly given: number; readonly needed: number }
  readonly dispositionMessage: string
  readonly failure?: { readonly code: string; readonly message: string }
  /** Changes with every decision, edit and move. */
  readonly etag: string
}

/** A decision on a request, or an edit of it. */
export interface RequestDecision {
  readonly round: number
  readonly kind: 'approve' | 'deny' | 'resubmit' | 'edit'
  readonly by: string
  readonly at: string
  readonly reason?: string
  readonly edits?: readonly {
    readonly kind: 'attribute' | 'extension'
    readonly name: string
    readonly value?: string
    readonly critical?: boolean
    readonly disabled?: boolean
  }[]
}

/** A request with everything that a decision on it may rest on. */
export interface QueuedRequestDetail extends QueuedRequest {
  readonly format: string
  readonly requestAttributes: readonly { readonly name: string; readonly value: string }[]
  readonly request?: InspectedRequest
  readonly subjectAltNames: readonly { readonly kind: string; readonly value: unknown }[]
  readonly decisions: readonly RequestDecision[]
  readonly events: readonly {
    readonly at: string
    readonly actor: string
    readonly action: string
    readonly outcome: string
    readonly detail: Readonly<Record<string, unknown>>
  }[]
  readonly earlierCertificates: readonly {
    readonly requestId: number
    readonly serialNumber: string
    readonly subject: string
    readonly notBefore: string
    readonly notAfter: string
    readonly revokedAt?: string
  }[]
}

/** What the queue is narrowed by. */
export interface QueueQuery extends PageOptions {
  /** States separated by commas, or `all`; `pending` if absent. */
  readonly state?: string
  readonly ca?: string
  readonly template?: string
  readonly requester?: string
  /** Words, or beginnings of words, of the subject. */
  readonly subject?: string
  readonly keyId?: string
  readonly submittedFrom?: string
  readonly submittedUntil?: string
  /** As `90m`, `12h` or `3d`. */
  readonly olderThan?: string
  readonly order?: 'newest' | 'oldest'
}

/** How a decision is made. */
export interface DecisionOptions {
  /** Nothing is done when the request is another by now (`precondition_failed`). */
  readonly etag?: string
  readonly reason?: string
}

/** An extension to put into a pending request; either a value or disabled. */
export interface ExtensionSetting {
  readonly oid: string
  /** The content of its OCTET STRING, in base64. */
  readonly value?: string
  readonly critical?: boolean
  readonly disabled?: boolean
}

/** One of many decisions. */
export interface BulkDecision extends DecisionOptions {
  readonly requestId: number
  readonly decision: 'approve' | 'deny' | 'resubmit'
}

/** What came of one of many decisions. */
export interface BulkResult {
  readonly requestId: number
  readonly outcome: 'done' | 'refused'
  readonly item?: QueuedRequest
  readonly problem?: {
    readonly status: number
    readonly code: string
    readonly hresult: string
    readonly detail: string
  }
}

const base = '/api/v1/queue'

/** Requests and the decisions on them. */
export class Queue {
  constructor(private readonly transport: Transport) {}

  list(query: QueueQuery = {}): Promise<ListPage<QueuedRequest>> {
    return this.transport.json({ path: base, query: { ...query } })
  }

  get(requestId: number): Promise<QueuedRequestDetail> {
    return this.transport.json({ path: `${base}/${requestId}` })
  }

  /** What the request would come to: the certificate field by field beside what is asked for, and the lint findings. */
  preview(requestId: number): Promise<CertificatePreview> {
    return this.transport.json({ path: `${base}/${requestId}/preview` })
  }

  /** Approves a pending request; it is issued once as many have as its template demands. */
  approve(requestId: number, options: DecisionOptions = {}): Promise<QueuedRequest> {
    return this.post(requestId, 'approve', reasonOf(options), options)
  }

  deny(requestId: number, reason: string, options: Omit<DecisionOptions, 'reason'> = {}): Promise<QueuedRequest> {
    return this.post(requestId, 'deny', { reason }, options)
  }

  /** Has a denied or failed request evaluated anew. */
  resubmit(requestId: number, options: DecisionOptions = {}): Promise<QueuedRequest> {
    return this.post(requestId, 'resubmit', reasonOf(options), options)
  }

  /** Puts attributes into a pending request; whoever does cannot approve it. */
  setAttributes(
    requestId: number,
    attributes: readonly { readonly name: string; readonly value: string }[],
    options: DecisionOptions = {}
  ): Promise<QueuedRequest> {
    return this.post(requestId, 'attributes', { attributes, ...reasonOf(options) }, options)
  }

  /** Puts extensions into a pending request; whoever does cannot approve it. */
  setExtensions(
    requestId: number,
    extensions: readonly ExtensionSetting[],
    options: DecisionOptions = {}
  ): Promise<QueuedRequest> {
    return this.post(requestId, 'extensions', { extensions, ...reasonOf(options) }, options)
  }

  /** Decides up to 200 requests, each by itself, and tells what came of each. */
  async decide(decisions: readonly BulkDecision[]): Promise<readonly BulkResult[]> {
    const answer = await this.transport.json<{ readonly results: readonly BulkResult[] }>({
      method: 'POST',
      path: `${base}/decisions`,
      json: { decisions },
      // Others may decide the same at the same time.
      wait: decisions.length
    })
    return answer.results
  }

  private post(
    requestId: number,
    action: string,
    json: object,
    { etag }: Pick<DecisionOptions, 'etag'>
  ): Promise<QueuedRequest> {
    const path = `${base}/${requestId}/${action}`
    return this.transport.json({ method: 'POST', path, json, ...(etag === undefined ? {} : { ifMatch: etag }) })
  }
}

function reasonOf({ reason }: DecisionOptions): { readonly reason?: string } {
  return reason === undefined ? {} : { reason }
}
