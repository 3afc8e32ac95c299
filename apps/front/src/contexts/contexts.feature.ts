import { DelegationStore, MessageKeyStore, SecurityContextStore } from '@app/storage'
import { ContextsController } from './contexts.controller.js'
import { Delegations } from './delegations.service.js'
import { HeldContexts } from './held-contexts.service.js'
import { MessageKeys } from './message-keys.service.js'

/** What security contexts bring into the front. */
export const contextControllers = [ContextsController]

export const contextProviders = [Delegations, HeldContexts, MessageKeys]

export const contextStores = [DelegationStore, MessageKeyStore, SecurityContextStore]
