using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Testing;

/// <summary>
/// A store that lets a test do something between two operations of the code under test. Operations are told as by
/// <see cref="FaultStore"/>. Disposing it leaves the inner store open.
/// </summary>
public sealed class HookStore(IObjectStore inner) : WrappedStore(inner)
{
    /// <summary>Called before an operation; it runs when the task has ended.</summary>
    public Func<string, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called after an operation has taken effect, before its answer.</summary>
    public Func<string, Task> After { get; set; } = _ => Task.CompletedTask;

    public override Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken) =>
        RunAsync($"put {name}", async () =>
    {
        await Inner.PutAsync(name, content, options, cancellationToken);
        return true;
    });

    public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken) =>
        RunAsync($"read {name}", () => Inner.ReadAsync(name, offset, buffer, cancellationToken));

    public override Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync($"open {name}", () => Inner.OpenReadAsync(name, cancellationToken));

    public override Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        RunAsync($"stat {name}", () => Inner.StatAsync(name, cancellationToken));

    public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Before($"list {prefix}");
        var found = new List<StoredObject>();
        await foreach (StoredObject item in Inner.ListAsync(prefix, after, cancellationToken)) found.Add(item);
        await After($"list {prefix}");
        foreach (StoredObject item in found) yield return item;
    }

    public override Task DeleteAsync(string name, CancellationToken cancellationToken) =>
        RunAsync($"delete {name}", async () =>
    {
        await Inner.DeleteAsync(name, cancellationToken);
        return true;
    });

    public override Task FlushAsync(CancellationToken cancellationToken) => RunAsync("flush", async () =>
    {
        await Inner.FlushAsync(cancellationToken);
        return true;
    });

    protected override void Dispose(bool disposing) { }

    private async Task<T> RunAsync<T>(string operation, Func<Task<T>> work)
    {
        await Before(operation);
        T result = await work();
        await After(operation);
        return result;
    }
}
