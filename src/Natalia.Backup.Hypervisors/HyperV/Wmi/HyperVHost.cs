using System.Collections.Concurrent;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Wmi;

/// <summary>
/// One Hyper-V host: what is asked of it over CIM, with errors for people, and jobs waited for. Any thread.
/// </summary>
internal sealed class HyperVHost(string name, ICimGateway gateway, IHostFiles files, TimeProvider clock) : IDisposable
{
    /// <summary>Hyper-V's namespace since Windows Server 2012.</summary>
    internal const string Namespace = "root/virtualization/v2";

    /// <summary>How long a job may take that nobody gave another limit.</summary>
    internal static readonly TimeSpan DefaultLimit = TimeSpan.FromMinutes(30);

    private readonly ConcurrentDictionary<string, CimPath> _services = new(StringComparer.Ordinal);

    /// <summary>The host's name, as it was given or as its cluster has it.</summary>
    internal string Name => name;

    /// <summary>Where its files are, seen from here.</summary>
    internal IHostFiles Files => files;

    internal TimeProvider Clock => clock;

    internal DateTime UtcNow => clock.GetUtcNow().UtcDateTime;

    internal Task<IReadOnlyList<CimRow>> QueryAsync(string wql, CancellationToken cancellationToken,
        string @namespace = Namespace) =>
        TryAsync(wql, () => gateway.QueryAsync(@namespace, wql, cancellationToken));

    /// <summary>The object, or null when it is gone.</summary>
    internal Task<CimRow?> GetAsync(CimPath path, CancellationToken cancellationToken) =>
        TryAsync($"the {path.ClassName}", () => gateway.GetAsync(path, cancellationToken));

    internal Task<IReadOnlyList<CimRow>> AssociatorsAsync(CimPath from, string? association, string? resultClass,
        CancellationToken cancellationToken) =>
        TryAsync($"what belongs to the {from.ClassName}",
            () => gateway.AssociatorsAsync(from, association, resultClass, cancellationToken));

    /// <summary>The one object of a service's class.</summary>
    internal async Task<CimPath> ServiceAsync(string className, CancellationToken cancellationToken)
    {
        if (_services.TryGetValue(className, out CimPath? known)) return known;
        IReadOnlyList<CimRow> rows = await QueryAsync(Wql.All(className), cancellationToken).ConfigureAwait(false);
        CimPath path = rows.Count > 0 && rows[0].Path is CimPath found
            ? found
            : throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
                $"The Hyper-V of '{name}' has no {className}.", name, "See that the host's service vmms runs.");
        return _services[className] = path;
    }

    /// <summary>Calls a method and waits for the job that it may start.</summary>
    /// <returns>The outputs; after a job only <c>Job</c> of them is to be relied on.</returns>
    /// <exception cref="NataliaException">
    /// It was refused, its job failed (<c>TaskFailed</c>), is not known any more (<c>TaskLost</c>) or did not end
    /// (<c>TaskNotFinished</c>): what it did then shows by its effect alone.
    /// </exception>
    internal async Task<CimRow> CallAsync(CimPath target, string method, CimArguments arguments,
        CancellationToken cancellationToken, TimeSpan? limit = null)
    {
        CimAnswer answer = await TryAsync(method,
            () => gateway.InvokeAsync(target, method, arguments, cancellationToken)).ConfigureAwait(false);
        if (answer.ReturnValue == ReturnCodes.Completed) return answer.Outputs;
        if (answer.ReturnValue != ReturnCodes.JobStarted)
            throw HyperVErrors.Refused(name, target.ClassName, method, answer.ReturnValue);
        CimPath job = answer.Outputs.Reference("Job")
            ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The Hyper-V host '{name}' started a job for {method} and did not say which.", name);
        JobResult result = await TryAsync($"the job of {method}",
            () => new WmiJob(gateway, clock).WaitAsync(job, limit ?? DefaultLimit, cancellationToken))
            .ConfigureAwait(false);
        return result.End switch
        {
            JobEnd.Succeeded => answer.Outputs,
            JobEnd.Failed => throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"{method} failed on the Hyper-V host '{name}': {result.Message}", name,
                "Look at the event log Microsoft-Windows-Hyper-V-VMMS-Admin of the host."),
            JobEnd.Lost => throw new NataliaException(ErrorIds.TaskLost, NataliaErrorKind.InvalidOperation,
                $"The Hyper-V host '{name}' does not know the job of {method} any more, so that its end is not known.",
                name, "Try again; what was made is looked for first."),
            _ => throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                $"{method} did not end on the Hyper-V host '{name}' within "
                + $"{(limit ?? DefaultLimit).TotalMinutes:0} minutes.", name,
                "See what the host is busy with, and try again."),
        };
    }

    /// <summary>A method of the service of a class.</summary>
    internal async Task<CimRow> CallAsync(string serviceClass, string method, CimArguments arguments,
        CancellationToken cancellationToken, TimeSpan? limit = null) =>
        await CallAsync(await ServiceAsync(serviceClass, cancellationToken).ConfigureAwait(false), method, arguments,
            cancellationToken, limit).ConfigureAwait(false);

    /// <summary>The text by which a setting refers to an object of this host.</summary>
    internal string TextOf(CimPath path) => path.ToText(path.Server ?? name);

    public void Dispose() => gateway.Dispose();

    private async Task<T> TryAsync<T>(string what, Func<Task<T>> call)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (CimFaultException e)
        {
            throw HyperVErrors.From(name, what, e);
        }
    }
}
