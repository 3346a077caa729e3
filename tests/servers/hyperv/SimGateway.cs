using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>How many calls the connections of one process have made, and what goes wrong at one of them.</summary>
internal sealed class SimLife
{
    private int _calls;

    internal CallFault? Fault { get; set; }

    /// <summary>How many calls are left until each fails; null for a long life.</summary>
    internal int? Left { get; set; }

    internal bool IsDead { get; private set; }

    internal T Call<T>(string name, Func<T> call)
    {
        if (IsDead) throw new SimulatedCrashException(name);
        if (Left == 0) throw new IOException("The process has died.");
        Left--;
        bool isStruck = _calls++ == Fault?.At;
        if (isStruck && !Fault!.IsAfter) Strike(name);
        T result = call();
        if (isStruck) Strike(name);
        return result;
    }

    private void Strike(string name)
    {
        if (!Fault!.IsDeath) throw new CimFaultException(CimFault.Transport, $"The connection broke ({name}).");
        IsDead = true;
        throw new SimulatedCrashException(name);
    }
}

/// <summary>A connection to a simulated host.</summary>
internal sealed class SimGateway(SimHost host, SimLife? life = null) : ICimGateway
{
    private readonly SimLife _life = life ?? new SimLife();

    public Task<CimRow?> GetAsync(CimPath path, CancellationToken cancellationToken) =>
        CallAsync($"get {path.ClassName}", () => host.Get(path), cancellationToken);

    public Task<IReadOnlyList<CimRow>> QueryAsync(string @namespace, string wql, CancellationToken cancellationToken) =>
        CallAsync(wql, () => host.Query(@namespace, wql), cancellationToken);

    public Task<IReadOnlyList<CimRow>> AssociatorsAsync(CimPath from, string? association, string? resultClass,
        CancellationToken cancellationToken) =>
        CallAsync($"associators {association}", () => host.Associators(from, association, resultClass),
            cancellationToken);

    public Task<CimAnswer> InvokeAsync(CimPath target, string method, CimArguments arguments,
        CancellationToken cancellationToken) =>
        CallAsync(method, () => host.Invoke(target, method, arguments), cancellationToken);

    public void Dispose() { }

    private async Task<T> CallAsync<T>(string name, Func<T> call, CancellationToken cancellationToken)
    {
        await Task.Yield();
        cancellationToken.ThrowIfCancellationRequested();
        return _life.Call(name, () => host.Serve(name, call));
    }
}
