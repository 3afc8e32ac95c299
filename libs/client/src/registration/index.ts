export * from './certificate-stores.js'
export { makeClientIdentity } from './client-identity.js'
export * from './enumerations.js'
export * from './registration-client.js'
export { SmsMessage, SmsMessageAttachment, type CertificateReference } from './sms-message.js'
export { SmsMessaging, type MessagingSettings } from './sms-messaging.js'
export {
  buildRegistrationHint,
  buildRegistrationRequest,
  decodeRegistrationResponse,
  type RegistrationRequestInput,
  type RegistrationResponse
} from '@app/registration'
