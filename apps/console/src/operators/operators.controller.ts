import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  grantBody,
  operatorsQuery,
  operatorsView,
  operatorView,
  type GrantBody,
  type OperatorsQuery,
  type OperatorsView,
  type OperatorView
} from './operators.schemas.js'
import { OperatorsService } from './operators.service.js'

/** Who holds which role. */
@ApiTags('operators')
@Controller('api/v1/operators')
export class OperatorsController {
  constructor(private readonly operators: OperatorsService) {}

  @Get()
  @RequirePermission('operator.read')
  @ApiOperation({ summary: 'Who holds which role' })
  @ApiResponse({ status: 200, standardSchema: operatorsView })
  list(
    @Query({ schema: operatorsQuery }) query: OperatorsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<OperatorsView> {
    return this.operators.list(query, operator)
  }

  @Post()
  @RequirePermission('operator.write')
  @ApiOperation({ summary: 'Give a role to somebody else' })
  @ApiResponse({ status: 201, standardSchema: operatorView })
  grant(
    @Body({ schema: grantBody }) body: GrantBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<OperatorView> {
    return this.operators.grant(body, operator)
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('operator.write')
  @ApiOperation({ summary: 'Take a role away' })
  revoke(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.operators.revoke(id, operator)
  }
}
