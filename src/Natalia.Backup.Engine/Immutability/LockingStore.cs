using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>Locks everything that is put, except what is transient. The inner store reads each lock back and fails the put when it was not taken.</summary>
internal sealed class LockingStore(IObjectStore inner, ImmutabilityPolicy policy, TimeProvider clock) : WrappedStore(inner)
{
    public override Task PutAsync(string name, ObjectContent content, PutOptions options, CancellationToken cancellationToken) =>
        base.PutAsync(name, content, options.Class == ObjectClass.Transient || options.RetainUntilUtc is not null ? options : options with { RetainUntilUtc = policy.RetainUntil(clock.UtcNow()) }, cancellationToken);
}
