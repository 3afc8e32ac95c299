import { PrincipalStore, RoleStore } from '@app/storage'
import type { ConsoleFeature } from '../console-feature.js'
import { OperatorsController } from './operators.controller.js'
import { OperatorsService } from './operators.service.js'

/** Roles of operators. */
export const operatorsFeature: ConsoleFeature = {
  controllers: [OperatorsController],
  providers: [OperatorsService],
  stores: [PrincipalStore, RoleStore]
}
