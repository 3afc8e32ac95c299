import { Inject, Injectable } from '@nestjs/common'
import { AppError, asId, fromBase64, type Clock, type RequestId } from '@app/core'
import { comparableAttributeName, decodeStoredRequest } from '@app/cmc'
import { CLOCK } from '@app/platform'
import { applyOfficerEdits, judgeDecision } from '@app/policy'
import {
  Database,
  DecisionStore,
  officerEditOf,
  RequestStore,
  TemplateStore,
  type NewEdit,
  type Unit
} from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import type { AttributesBody, ExtensionsBody, QueueItem } from '../queue/queue.schemas.js'
import { RequestAccess } from './request-access.js'

/** What somebody wants to put into a request. */
export interface WantedEdit {
  readonly edits: readonly NewEdit[]
  readonly reason?: string | undefined
  readonly version?: string | undefined
  /** Whether the caller may be asking once more because it got no answer. */
  readonly isRepeatable?: boolean
}

/** Putting attributes and extensions into pending requests. Who does so cannot approve them. */
@Injectable()
export class RequestEdits {
  constructor(
    private readonly database: Database,
    private readonly decisions: DecisionStore,
    private readonly requests: RequestStore,
    private readonly templates: TemplateStore,
    private readonly access: RequestAccess,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Records edits of a pending request that nobody has approved yet. Throws what `RequestAccess.permitted`,
   * `judgeDecision` and `applyOfficerEdits` throw: what could not be in the certificate is refused now.
   */
  async edit(id: number, wanted: WantedEdit, operator: AuthenticatedOperator): Promise<QueueItem> {
    const { edits, reason, version } = wanted
    const requestId = asId<RequestId>(id)
    const { round } = await this.access.permitted(requestId, 'request.edit', operator)
    if (await this.isRepetition(requestId, round, wanted, operator)) return this.access.item(requestId, operator)
    await this.database.transaction(async unit => {
      const request = await this.decisions.lock(unit, requestId)
      const past = await this.decisions.list(requestId, unit)
      const looked = version === undefined ? {} : { version }
      judgeDecision(request, past, { kind: 'edit', principalId: operator.principal.id, ...looked })
      await this.requireApplicable(unit, requestId, edits)
      const decision = {
        requestId,
        round: request.round,
        kind: 'edit',
        principalId: operator.principal.id,
        principalName: operator.name,
        at: this.clock.now(),
        reason: reason ?? null
      } as const
      await this.decisions.edit(unit, decision, edits)
      // failpoint: edit.recorded
    })
    return this.access.item(requestId, operator)
  }

  /** Whether the operator's latest decision on the request is this very edit. */
  private async isRepetition(
    id: RequestId,
    round: number,
    { edits, isRepeatable }: WantedEdit,
    operator: AuthenticatedOperator
  ): Promise<boolean> {
    if (isRepeatable !== true) return false
    const last = (await this.decisions.list(id)).findLast(({ principalId }) => principalId === operator.principal.id)
    if (last?.kind !== 'edit' || last.round !== round) return false
    const made = (await this.decisions.listEdits(id)).filter(({ decisionId }) => decisionId === last.id)
    return made.length === edits.length && edits.every(edit => made.some(other => isSameEdit(edit, other)))
  }

  /** Together with what was set before. */
  private async requireApplicable(unit: Unit, id: RequestId, edits: readonly NewEdit[]): Promise<void> {
    const row = await this.requests.get(id)
    const template = row.templateId === null ? undefined : await this.templates.find(row.templateId)
    if (template === undefined) throw new AppError('conflict', `Request ${id} has no template to judge edits by.`)
    const before = (await this.decisions.findEdits([id], unit)).get(id) ?? []
    const all = [...before, ...edits.map(edit => ({ ...edit, decisionId: 0 }))].map(officerEditOf)
    applyOfficerEdits(template.definition, decodeStoredRequest(row.rawRequest), all, this.clock.now())
  }
}

function isSameEdit(one: NewEdit, other: NewEdit): boolean {
  return textOf(one) === textOf(other)
}

function textOf({ kind, name, attributeValue, extensionValue, critical, disabled }: NewEdit): string {
  return JSON.stringify([kind, name, attributeValue, extensionValue?.toString('hex'), critical, disabled])
}

/** Attributes as they are recorded. */
export function attributeEdits({ attributes }: AttributesBody): readonly NewEdit[] {
  const none = { extensionValue: null, critical: null, disabled: null }
  requireDistinct(attributes.map(({ name }) => comparableAttributeName(name)))
  return attributes.map(({ name, value }) => ({ kind: 'attribute', name, attributeValue: value.trim(), ...none }))
}

/** Extensions as they are recorded. */
export function extensionEdits({ extensions }: ExtensionsBody): readonly NewEdit[] {
  requireDistinct(extensions.map(({ oid }) => oid))
  return extensions.map(({ oid, value, critical, disabled }) => ({
    kind: 'extension',
    name: oid,
    attributeValue: null,
    extensionValue: value === undefined ? null : Buffer.from(fromBase64(value) as Uint8Array),
    critical,
    disabled
  }))
}

function requireDistinct(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new AppError('invalid_argument', `${twice} is set twice at once.`, { name: twice })
}
