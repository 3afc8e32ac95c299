import { Injectable } from '@nestjs/common'
import { equalBytes } from '@app/core'
import { pendingSecondsOf } from '@app/templates'
import { ExchangeKeyStore, TemplateStore, type RequestMove, type RequestRow, type TemplateRow } from '@app/storage'

const because = { actor: 'role:authority' }

/**
 * Requests that the installation makes for itself, under the system account: nobody can sign in as it, but the role
 * that takes requests can write such a row. So each is approved only for what that role could have anyway.
 */
@Injectable()
export class InternalRequests {
  constructor(
    private readonly exchangeKeys: ExchangeKeyStore,
    private readonly templates: TemplateStore
  ) {}

  async judge(row: RequestRow, now: Date): Promise<RequestMove> {
    const template = row.templateName === null ? undefined : await this.templates.findActive(row.templateName)
    if (template !== undefined && row.templateName === 'CAExchange' && (await this.isForExchangeKey(row))) {
      return approved(row, template)
    }
    // Its names come from the authority's own configuration, whatever the request says.
    if (template !== undefined && row.templateName === 'WebServer') return approved(row, template)
    // The role that takes requests answers for the CA's status, so it may have such keys as it likes.
    if (template !== undefined && row.templateName === 'OCSPResponseSigning') return approved(row, template)
    // A recovery agent for a trial: made by the local administrator, who approves it by hand.
    if (template !== undefined && row.templateName === 'KeyRecoveryAgent') {
      const pendingUntil = new Date(now.getTime() + pendingSecondsOf(template.definition) * 1000)
      return { ...approved(row, template), to: 'pending', pendingUntil }
    }
    return {
      id: row.id,
      from: 'received',
      to: 'denied',
      because,
      failure: {
        code: 'template_denied',
        message: `The installation may not enroll for ${row.templateName ?? 'no template'}.`
      },
      dispositionMessage: 'Denied by Policy Module'
    }
  }

  private async isForExchangeKey(row: RequestRow): Promise<boolean> {
    const keys = [
      ...(await this.exchangeKeys.listInState('generated')),
      ...(await this.exchangeKeys.listInState('requested'))
    ]
    return keys.some(key => row.publicKey !== null && equalBytes(key.publicKey, row.publicKey))
  }
}

function approved(row: RequestRow, template: TemplateRow): RequestMove {
  return {
    id: row.id,
    from: 'received',
    to: 'approved',
    because,
    template,
    dispositionMessage: 'Taken Under Submission'
  }
}
