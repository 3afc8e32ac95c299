/**
 * Registers a client with a management point and confirms the registration, as the examples of the Configuration Manager
 * SDK do with ISmsMessaging and ISmsMessage4.
 */
import { randomUUID } from 'node:crypto'
import {
  buildRegistrationRequest,
  MPAPI_CERT_STORE_LOCATION,
  MPAPI_SECURITY_FLAG,
  type CertificateStores,
  type SmsMessaging,
  type StoredIdentity
} from '@app/client'

const { LOCAL_MACHINE } = MPAPI_CERT_STORE_LOCATION
const { MIXED_MODE, NATIVE_MODE, ENABLE_CRL_CHECKING } = MPAPI_SECURITY_FLAG

/** What both functions work with: `stores` has the client's certificate in `my` and the site's in `mpsigningcerts`. */
export interface ExampleClient {
  readonly messaging: SmsMessaging
  readonly stores: CertificateStores
  /** SHA-1 of the client's certificate in the store `my`. */
  readonly thumbprint: string
  readonly name: string
}

/** Asks for a registration in mixed mode and gives the ClientRegistrationResponse. */
export async function sendRegistration({ messaging, ...client }: ExampleClient, port = 8080): Promise<string> {
  const request = messaging.createMessage()

  // The target of the message is the endpoint of registrations.
  request.setTargetEndpoint('MP_ClientRegistration')

  // Its body is a registration request.
  request.setBodyFromString(createRegistrationRequestMessage(client.name, await identityOf(client)))

  // The security flags, and the HTTP port.
  request.setSecurityFlags(MIXED_MODE)
  request.setPort(port)

  // Sends it to the management point on this machine and takes the reply.
  const reply = await messaging.invoke(null, request)

  // The body is handed out when a known management point has signed it.
  await reply.verifyServerSignature(LOCAL_MACHINE, 'mpsigningcerts')
  return reply.getBodyToString()
}

/** Asks for the confirmation of a registration in native mode and gives the ClientRegistrationResponse. */
export async function sendConfirmation(
  { messaging, ...client }: ExampleClient,
  smsid: string,
  port = 44_443
): Promise<string> {
  const request = messaging.createMessage()
  request.setTargetEndpoint('MP_ClientRegistration')
  request.setBodyFromString(createConfirmationRequestMessage(smsid, await identityOf(client)))

  // Over TLS, and only while the server's certificate is in no revocation list.
  request.setSecurityFlags(NATIVE_MODE | ENABLE_CRL_CHECKING)
  request.setPort(port)

  // The certificate of the TLS connection.
  request.setClientCertificate(LOCAL_MACHINE, 'MY', client.thumbprint)

  const reply = await messaging.invoke(null, request)
  await reply.verifyServerSignature(LOCAL_MACHINE, 'mpsigningcerts')
  return reply.getBodyToString()
}

function identityOf({ stores, thumbprint }: Omit<ExampleClient, 'messaging'>): Promise<StoredIdentity> {
  return stores.findIdentity(LOCAL_MACHINE, 'MY', thumbprint)
}

function createRegistrationRequestMessage(name: string, { certificate, privateKey }: StoredIdentity): string {
  return buildRegistrationRequest(
    {
      type: 'Registration',
      timeStamp: new Date(),
      messageId: randomUUID(),
      signingCertificate: certificate,
      properties: { 'NetBIOS Name': name, 'FQ Name': `${name.toLowerCase()}.example.org`, InternetFlag: '0' }
    },
    { privateKey }
  )
}

function createConfirmationRequestMessage(smsid: string, { certificate, privateKey }: StoredIdentity): string {
  return buildRegistrationRequest(
    { type: 'Confirmation', timeStamp: new Date(), messageId: randomUUID(), smsid, signingCertificate: certificate },
    { privateKey }
  )
}
