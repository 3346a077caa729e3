using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>
/// Locks everything that is put, except what is transient. The inner store reads each lock back and fails the put when
/// it was not taken.
/// </summary>
internal sealed class LockingStore(IObjectStore inner, ImmutabilityPolicy policy, TimeProvider clock)
    : WrappedStore(inner)
{
    private readonly AsyncLocal<LockCount?> _measured = new();

    /// <summary>
    /// Counts what the caller, and all that it starts, puts under a lock from here on. Ends with the asynchronous
    /// method that called it.
    /// </summary>
    internal LockCount Measure() => _measured.Value = new LockCount();

    public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken)
    {
        if (options.Class != ObjectClass.Transient && options.RetainUntilUtc is null)
            options = options with { RetainUntilUtc = policy.RetainUntil(clock.UtcNow()) };
        await base.PutAsync(name, content, options, cancellationToken).ConfigureAwait(false);
        if (options.RetainUntilUtc is not null) _measured.Value?.Add();
    }
}
