import { applyDecorators, SetMetadata, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiCookieAuth, ApiExtension } from '@nestjs/swagger'
import type { Permission } from '@app/policy'
import { OperatorGuard, ROUTE_ACCESS, type RouteAccess } from './operator.guard.js'

/** Where a permission must be held: at some CA, which the route then judges by itself, or for every CA. */
export interface PermissionPlace {
  readonly at?: 'any' | 'all'
}

/**
 * Lets only operators call a route who hold a role that gives the permission; for a route with `{ca}` in its path, at
 * that CA. The API document tells of it as `x-certkeep-permission`, and as `x-certkeep-place` where it must be held.
 */
export function RequirePermission(permission: Permission, { at = 'any' }: PermissionPlace = {}): MethodDecorator {
  return guarded({ permission, at }, permission, at)
}

/** Lets every account call a route that can sign in to the console, with a role or without. */
export function RequireSignIn(): MethodDecorator {
  return guarded({ permission: undefined, at: 'any' }, 'signed-in', 'any')
}

function guarded(access: RouteAccess, told: string, place: string): MethodDecorator {
  return applyDecorators(
    SetMetadata(ROUTE_ACCESS, access),
    UseGuards(OperatorGuard),
    ApiExtension('x-certkeep-permission', told),
    ApiExtension('x-certkeep-place', place),
    ApiBearerAuth(),
    ApiCookieAuth()
  )
}

/** Lets everybody call a route; the API document says so. What it does must need no credential, or bring its own. */
export function PublicRoute(): MethodDecorator {
  return applyDecorators(ApiExtension('x-certkeep-permission', 'public'))
}
