package connector

import (
	"context"

	"homelab.invalid/lab/paths/internal/ingress"
)

func withTarget(ctx context.Context, target ingress.Target) context.Context {
	return context.WithValue(ctx, targetKey{}, target)
}

func targetOf(ctx context.Context) ingress.Target {
	return ctx.Value(targetKey{}).(ingress.Target)
}
