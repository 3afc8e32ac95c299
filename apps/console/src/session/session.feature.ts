import { PrincipalStore, SessionStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { IdentityProvider } from './identity-provider.js'
import { OperatorSessionsController } from './operator-sessions.controller.js'
import { SessionController } from './session.controller.js'
import { SessionService } from './session.service.js'

/** Signing in and out. */
export const sessionFeature: ConsoleFeature = {
  controllers: [SessionController, OperatorSessionsController],
  providers: [IdentityProvider, SessionService],
  stores: [PrincipalStore, SessionStore]
}
