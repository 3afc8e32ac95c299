import { Controller, Get, Param, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  archivedKeyItem,
  archivedKeyParameter,
  archivedKeysQuery,
  archivedKeysView,
  type ArchivedKeyItem,
  type ArchivedKeysQuery,
  type ArchivedKeysView
} from './archived-keys.schemas.js'
import { ArchivedKeysService } from './archived-keys.service.js'

/** What is in the archive. No route of it gives a key. */
@ApiTags('archived-keys')
@Controller('api/v1/archived-keys')
export class ArchivedKeysController {
  constructor(private readonly keys: ArchivedKeysService) {}

  @Get()
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'The archived keys, by what is known of their certificates' })
  @ApiResponse({ status: 200, standardSchema: archivedKeysView })
  list(
    @Query({ schema: archivedKeysQuery }) query: ArchivedKeysQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ArchivedKeysView> {
    return this.keys.list(query, operator)
  }

  @Get(':request')
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'What is archived with a request, and who could open it' })
  @ApiResponse({ status: 200, standardSchema: archivedKeyItem })
  show(
    @Param('request', { schema: archivedKeyParameter }) request: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ArchivedKeyItem> {
    return this.keys.show(request, operator)
  }
}
