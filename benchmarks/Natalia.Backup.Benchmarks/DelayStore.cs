using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Benchmarks;

/// <summary>A store at the end of a long line: every request waits.</summary>
internal sealed class DelayStore(IObjectStore inner, TimeSpan delay) : WrappedStore(inner)
{
    public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken)
    {
        await Task.Delay(delay, cancellationToken);
        await Inner.PutAsync(name, content, options, cancellationToken);
    }

    public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        await Task.Delay(delay, cancellationToken);
        return await Inner.ReadAsync(name, offset, buffer, cancellationToken);
    }

    public override async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        await Task.Delay(delay, cancellationToken);
        return await Inner.OpenReadAsync(name, cancellationToken);
    }

    public override async Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken)
    {
        await Task.Delay(delay, cancellationToken);
        return await Inner.StatAsync(name, cancellationToken);
    }

    public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Delay(delay, cancellationToken);
        await foreach (StoredObject found in Inner.ListAsync(prefix, after, cancellationToken)) yield return found;
    }
}
