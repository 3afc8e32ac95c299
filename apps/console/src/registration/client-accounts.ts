import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { asPrincipalId, type Clock, type PrincipalId } from '@app/core'
import { OID } from '@app/oid'
import { CLOCK } from '@app/platform'
import { rightsOf } from '@app/registration'
import {
  CertificateStore,
  ClientStore,
  GroupStore,
  PrincipalStore,
  RegistrationDecisionStore,
  type Because,
  type RegistrationRow,
  type Unit
} from '@app/storage'
import { decodeCertificate, decodeSubjectAltName, findExtension } from '@app/x509'

/** The domain of the accounts that registration makes. It is no other's, so that no name there means anybody else. */
const domain = 'CONFIGMGR'
const group = 'Domain Computers'
const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/i

/** Who vouches for the names of a client: an operator or the site, a CA that it trusts, or nobody. */
export type NameVoucher = 'site' | 'certificate' | 'nobody'

/** Keeps the accounts that clients are in the directory. Only a client that may have secrets has one that is enabled. */
@Injectable()
export class ClientAccounts {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly groups: GroupStore,
    private readonly certificates: CertificateStore,
    private readonly rows: RegistrationDecisionStore,
    private readonly clients: ClientStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Gives a client its account, or enables the one that was disabled for it: that of the directory which it proved to be,
   * that of its certificate, else a new computer, with its DNS name where somebody vouches for that. Does nothing for a
   * client that may have no secrets.
   */
  async provide(client: RegistrationRow, voucher: NameVoucher, because: Because, unit: Unit): Promise<void> {
    if (!rightsOf(client.status, client.blockedAt === null ? client.approval : 'blocked').mayHaveSecrets) return
    if (client.principalId === null) {
      const id = (await this.findOwn(client, unit)) ?? (await this.add(client, voucher, because, unit))
      await this.rows.link(client.smsid, id, unit)
    } else if (client.isPrincipalDisabled) {
      await this.groups.setDisabled(client.principalId, false, because, this.clock.now(), unit)
      await this.clients.noteAccount(client.smsid, false, unit)
    }
  }

  /** Disables the account of a client that may have no secrets any more. One that was disabled before stays as it is. */
  async withdraw(client: RegistrationRow, because: Because, unit: Unit): Promise<void> {
    if (client.principalId === null) return
    if (await this.groups.setDisabled(client.principalId, true, because, this.clock.now(), unit)) {
      await this.clients.noteAccount(client.smsid, true, unit)
    }
  }

  /** None for the client of a proxy, which proves its own account and key, and nothing of its clients'. */
  private async findOwn(client: RegistrationRow, unit: Unit): Promise<PrincipalId | undefined> {
    if (client.proxySmsid !== null) return undefined
    if (client.callerId !== null && (await this.isComputer(client.callerId, unit))) return client.callerId
    const record = await this.certificates.findRecord(client.signingCertificate, unit)
    if (record === undefined || record.isRevoked || record.principalId === null) return undefined
    return (await this.isComputer(record.principalId, unit)) ? record.principalId : undefined
  }

  private async isComputer(id: PrincipalId, unit: Unit): Promise<boolean> {
    const principal = await this.principals.find(id, unit)
    return principal !== undefined && principal.kind === 'computer' && principal.disabledAt === null
  }

  private async add(client: RegistrationRow, voucher: NameVoucher, because: Because, unit: Unit): Promise<PrincipalId> {
    const id = asPrincipalId(randomUUID())
    const sid = await this.principals.allocateSid(domain, unit)
    const row = {
      id,
      kind: 'computer',
      sid,
      accountName: await this.freeName(client, unit),
      domain,
      displayName: client.netbiosName,
      distinguishedName: null,
      upn: null,
      mail: null,
      dnsName: await this.dnsNameOf(client, voucher, unit),
      groupNames: [group],
      createdAt: this.clock.now()
    } as const
    await this.principals.add(row, { ...because, detail: { ...because.detail, smsid: client.smsid } }, unit)
    return id
  }

  private async freeName({ netbiosName, smsid }: RegistrationRow, unit: Unit): Promise<string> {
    const plain =
      netbiosName
        .replaceAll(/[^A-Za-z0-9-]/g, '')
        .slice(0, 15)
        .toUpperCase() || 'CLIENT'
    const name = `${plain}$`
    const isTaken = (await this.principals.findByName(`${domain}\\${name}`, unit)).length > 0
    return isTaken ? `${plain}-${smsid.slice(-12)}$` : name
  }

  /**
   * The name that certificates may give the client: the one that was approved, or one that its certificate of a trusted CA
   * has; never one of another account.
   */
  private async dnsNameOf(client: RegistrationRow, voucher: NameVoucher, unit: Unit): Promise<string | null> {
    const { fqdn, proxySmsid } = client
    if (!dnsName.test(fqdn) || (await this.rows.isDnsNameTaken(fqdn, unit))) return null
    if (voucher === 'site') return fqdn
    // The client of a proxy has not shown that the certificate is its own.
    if (voucher === 'nobody' || proxySmsid !== null) return null
    const names = findExtension(decodeCertificate(client.signingCertificate), OID.id_ce_subjectAltName)
    const certified = names === undefined ? [] : decodeSubjectAltName(names.value)
    const isCertified = certified.some(
      name => name.kind === 'dNSName' && name.value.toLowerCase() === fqdn.toLowerCase()
    )
    return isCertified ? fqdn : null
  }
}
