import { Inject, Injectable } from '@nestjs/common'
import { isAppError } from '@app/core'
import { encodePem } from '@app/der'
import { accountNameOf, CONFIG, type Config } from '@app/platform'
import { refused, rightsOf, schemaError } from '@app/registration'
import { PrincipalStore, RegistrationStore, type RegistrationRow } from '@app/storage'
import { AuthoritiesService } from '../authorities/authorities.service.js'
import type { RequestView } from '../enrollment/enrollment.schemas.js'
import { EnrollmentService } from '../enrollment/enrollment.service.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { MessageChecks, type CheckedMessage } from './message-checks.js'
import { approvalOfRow, newMessageOf, requireSameKey } from './registration.service.js'
import type { ReceivedMessage } from './transport.js'

/** What became of the request of a client, with the certificates once they are issued: the client's first, PEM. */
export interface ClientEnrollmentView {
  readonly request: RequestView
  readonly certificates?: readonly string[]
}

/** Enrolls clients for certificates as the accounts that they are in the directory. */
@Injectable()
export class ClientEnrollment {
  constructor(
    private readonly checks: MessageChecks,
    private readonly registrations: RegistrationStore,
    private readonly principals: PrincipalStore,
    private readonly authorities: AuthoritiesService,
    private readonly enrollment: EnrollmentService,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /**
   * Submits the client's PKCS#10, or tells of one that it sent before. The template says what the certificate is, as for
   * every account. Throws `registration_refused` for a client that is not registered, not approved or blocked, and for a
   * message that is not signed with its key.
   */
  async enroll(received: ReceivedMessage, caName: string | undefined): Promise<ClientEnrollmentView> {
    // 1. The message, with the same checks as every other.
    const checked = await this.checks.check(received)
    const row = await this.requireRights(checked)
    const requester = await this.requesterOf(row)
    if (!(await this.registrations.confirm(newMessageOf(row.smsid, checked, received, checked.checkedAt)))) {
      throw refused('The message was taken before.')
    }
    // failpoint: client-enroll.confirmed
    // 2. The request, by the way of all requests.
    const ca = caName ?? (await this.authorities.list())[0]?.name
    const { order } = checked.message.request
    if (ca === undefined || order === undefined) throw refused('There is no CA that could issue a certificate.')
    const request = await this.requestOf(ca, order, requester)
    return { request, ...(await this.certificatesOf(ca, request, requester)) }
  }

  private async requireRights(checked: CheckedMessage): Promise<RegistrationRow> {
    const row = await this.registrations.find(checked.message.request.smsid)
    if (row === undefined) throw refused('There is no such client.')
    requireSameKey(row, checked)
    if (rightsOf(row.status, approvalOfRow(row)).mayHaveSecrets) return row
    throw refused('The client is not approved, so it gets no certificate. An administrator approves it.')
  }

  private async requesterOf({ principalId }: RegistrationRow): Promise<AuthenticatedRequester> {
    const principal = principalId === null ? undefined : await this.principals.find(principalId)
    if (principal === undefined || principal.disabledAt !== null) {
      throw refused('The client has no account in the directory that is enabled.')
    }
    return { principal, name: accountNameOf(principal) }
  }

  private async requestOf(
    caName: string,
    { template, request, requestId }: NonNullable<CheckedMessage['message']['request']['order']>,
    requester: AuthenticatedRequester
  ): Promise<RequestView> {
    const wait = 1000 * Math.min(10, this.config.limits.submitWaitSeconds)
    if (requestId !== undefined) return this.enrollment.retrieve({ caName, id: requestId, requester }, 0)
    if (template === undefined || request === undefined) {
      throw schemaError('Data/CertificateRequest has neither a template with a request nor a number.', [
        'Data/CertificateRequest'
      ])
    }
    const attributes = `CertificateTemplate:${template}`
    return this.enrollment.submit({ caName, requester, bytes: request, flags: ['PKCS10'], attributes, wait })
  }

  private async certificatesOf(
    caName: string,
    { requestId }: RequestView,
    requester: AuthenticatedRequester
  ): Promise<Pick<ClientEnrollmentView, 'certificates'>> {
    try {
      const call = { caName, id: requestId, requester }
      const { certificate, chain } = await this.enrollment.certificate(call)
      return { certificates: [certificate, ...chain].map(der => encodePem('CERTIFICATE', der)) }
    } catch (error) {
      if (isAppError(error, 'not_found')) return {}
      throw error
    }
  }
}
