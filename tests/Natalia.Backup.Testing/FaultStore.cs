using System.Runtime.CompilerServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Testing;

/// <summary>What goes wrong at the chosen operation.</summary>
public enum Fault
{
    /// <summary>Nothing; the operations are counted only.</summary>
    None = 0,
    /// <summary>The operation fails with a store error and has no effect; later ones work.</summary>
    FailBefore,
    /// <summary>The operation takes effect, but its answer is an error; later ones work.</summary>
    FailAfter,
    /// <summary>This operation and all later ones fail with a store error: the share has gone.</summary>
    Gone,
    /// <summary>
    /// The process dies before the operation: it and all later ones throw <see cref="SimulatedCrashException"/> and
    /// have no effect.
    /// </summary>
    CrashBefore,
    /// <summary>The process dies right after the operation took effect.</summary>
    CrashAfter,
    /// <summary>
    /// The process dies and the store breaks its promise: half of the object is there under its name. On anything but a
    /// put: as <see cref="CrashBefore"/>.
    /// </summary>
    Tear,
    /// <summary>
    /// The machine dies before the operation: puts and deletions since the last flush are undone, each with even odds.
    /// </summary>
    PowerLoss,
}

/// <summary>Stands for the end of the process. No NataliaException, so that no code handles it as one.</summary>
public sealed class SimulatedCrashException(string operation) : Exception($"The process died at: {operation}");

/// <summary>
/// A store that fails, tears or crashes at one operation. Run the work once with <see cref="Fault.None"/> to learn how
/// many operations it takes, then once for each index and fault. Afterwards go on with the inner store, as the next
/// process would. Disposing it leaves the inner store open.
/// </summary>
public sealed class FaultStore(IObjectStore inner, Fault fault = Fault.None, int at = -1, bool writesOnly = false,
    int seed = 1)
    : IObjectStore
{
    private readonly object _gate = new();
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, (byte[] Bytes, PutOptions Options)?> _unflushed = new(StringComparer.Ordinal);
    private int _operations;
    private bool _dead;

    /// <summary>How many operations were asked for so far.</summary>
    public int Operations => Volatile.Read(ref _operations);

    /// <summary>What each operation was, in order.</summary>
    public List<string> Log { get; } = [];

    /// <summary>Whether the fault has happened.</summary>
    public bool HasStruck { get; private set; }

    public string Location => inner.Location;
    public string Kind => inner.Kind;
    public bool HasExclusiveCreate => inner.HasExclusiveCreate;
    public IObjectLock? ObjectLock => inner.ObjectLock is IObjectLock locks ? new FaultLock(this, locks) : null;

    public Task PutAsync(string name, ObjectContent content, PutOptions options, CancellationToken cancellationToken) =>
        RunAsync($"put {name}", true, async () =>
    {
        bool existed = fault == Fault.PowerLoss && await inner.StatAsync(name, cancellationToken) is not null;
        await inner.PutAsync(name, content, options, cancellationToken);
        if (fault == Fault.PowerLoss && !existed)
            lock (_gate) _unflushed.TryAdd(name, null);
        return true;
    }, () => inner.PutAsync(name, new ObjectContent(content.ToArray().AsSpan(0, (int)(content.Length / 2)).ToArray()),
        options with { MustNotExist = false }, CancellationToken.None));

    public Task<int> ReadAsync(string name, long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        RunAsync($"read {name}", false, () => inner.ReadAsync(name, offset, buffer, cancellationToken));

    public Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync($"open {name}", false, () => inner.OpenReadAsync(name, cancellationToken));

    public Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        RunAsync($"stat {name}", false, () => inner.StatAsync(name, cancellationToken));

    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await RunAsync($"list {prefix}", false, () => Task.FromResult(true));
        await foreach (StoredObject item in inner.ListAsync(prefix, after, cancellationToken)) yield return item;
    }

    public Task DeleteAsync(string name, CancellationToken cancellationToken) =>
        RunAsync($"delete {name}", true, async () =>
    {
        if (fault == Fault.PowerLoss && await inner.StatAsync(name, cancellationToken) is StoredObject there)
        {
            byte[] bytes = new byte[there.Length];
            await inner.ReadAsync(name, 0, bytes, cancellationToken);
            lock (_gate)
            {
                // Put and deleted since the last flush: nothing to bring back.
                if (!_unflushed.Remove(name)) _unflushed[name] = (bytes, PutOptions.Metadata);
            }
        }
        await inner.DeleteAsync(name, cancellationToken);
        return true;
    });

    public Task FlushAsync(CancellationToken cancellationToken) => RunAsync("flush", true, async () =>
    {
        await inner.FlushAsync(cancellationToken);
        lock (_gate) _unflushed.Clear();
        return true;
    });

    public Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) =>
        RunAsync("sweep", true, () => inner.SweepAsync(olderThan, cancellationToken));

    public void Dispose() { }

    private async Task<T> RunAsync<T>(string operation, bool writes, Func<Task<T>> work, Func<Task>? tear = null)
    {
        bool strikes = false;
        lock (_gate)
        {
            if (_dead) throw Dead(operation, writes);
            if (writes || !writesOnly)
            {
                strikes = _operations++ == at && fault != Fault.None;
                Log.Add(operation);
            }
            if (strikes)
            {
                HasStruck = true;
                _dead = fault is not (Fault.FailBefore or Fault.FailAfter);
            }
        }
        if (!strikes) return await work();
        switch (fault)
        {
            case Fault.FailAfter or Fault.CrashAfter:
                await work();
                break;
            case Fault.Tear when tear is not null:
                await tear();
                break;
            case Fault.PowerLoss:
                await LosePowerAsync();
                break;
        }
        throw fault is Fault.FailBefore or Fault.FailAfter ? Failed(operation, writes) : Dead(operation, writes);
    }

    private async Task LosePowerAsync()
    {
        foreach ((string name, (byte[] Bytes, PutOptions Options)? before) in _unflushed.OrderBy(u => u.Key,
            StringComparer.Ordinal)
            .ToArray())
        {
            if (_random.Next(2) == 0) continue;
            if (before is null) await inner.DeleteAsync(name, CancellationToken.None);
            else await inner.PutAsync(name, new ObjectContent(before.Value.Bytes), before.Value.Options,
                CancellationToken.None);
        }
    }

    private Exception Dead(string operation, bool writes) => fault == Fault.Gone
        ? new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection,
            $"The store has gone, on purpose, at: {operation}", Location)
        : new SimulatedCrashException(operation);

    private static NataliaException Failed(string operation, bool writes) => writes
        ? new NataliaException(ErrorIds.StoreWriteFailed, NataliaErrorKind.WriteFailed,
            $"Failed on purpose at: {operation}", operation)
        : new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed,
            $"Failed on purpose at: {operation}", operation);

    private sealed class FaultLock(FaultStore store, IObjectLock locks) : IObjectLock
    {
        public ObjectLockMode Mode => locks.Mode;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
            store.RunAsync($"retention of {name}", false, () => locks.GetRetainUntilAsync(name, cancellationToken));

        public Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken) =>
            store.RunAsync($"extend {name}", true, () => locks.ExtendAsync(name, retainUntilUtc, cancellationToken));
    }
}
