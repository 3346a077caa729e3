using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Completes names that hypervisors know. One that was connected a moment ago is asked for them once, and not waited
/// for longer than a person would.
/// </summary>
public abstract class KnownNameCompleter : CacheCompleter
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private protected KnownNameCompleter() { }

    /// <summary>Which of the names are meant.</summary>
    private protected abstract IReadOnlyList<string> Choose(IKnownNames known);

    private protected sealed override IEnumerable<Candidate> GetCandidates(SessionRegistry registry)
    {
        var able = new List<(HypervisorConnection Connection, IKnownNames Known)>();
        foreach (HypervisorConnection connection in registry.Hypervisors.All)
            if (connection.Hypervisor.Find<IKnownNames>() is IKnownNames known) able.Add((connection, known));
        Learn(able.Select(a => a.Known));
        return able.SelectMany(a => Choose(a.Known).Select(n => new Candidate(n, $"on '{a.Connection.Name}'")));
    }

    /// <summary>
    /// Who does not answer in time, or answers with an error, is left out: whoever types must not be disturbed.
    /// </summary>
    private static void Learn(IEnumerable<IKnownNames> able)
    {
        var stop = new CancellationTokenSource();
        CancellationToken token = stop.Token;
        // Not on this thread, whose context may wait for it.
        Task[] asked = [.. able.Select(a => Task.Run(() => a.LearnAsync(token), CancellationToken.None))];
        Task ended = Task.WhenAll(asked)
            .ContinueWith(all => _ = all.Exception, CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        if (!ended.Wait(s_patience)) stop.Cancel();
        ended.ContinueWith(_ => stop.Dispose(), TaskScheduler.Default);
    }
}
