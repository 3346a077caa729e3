using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.Qemu;

namespace Natalia.Backup.Operations.Backup;

/// <summary>What backups left on a hypervisor: those that died, and those of a history that is over for a VM.</summary>
internal static class Leftovers
{
    /// <summary>
    /// Removes it: what was recorded for this VM, repository and history, and that no point there counts from. The
    /// lease is held, so no other run that could have made it is alive. What is recorded for others, or not at all, is
    /// none of ours.
    /// </summary>
    /// <returns>What was found, in full sentences. Trouble is among them and no failure: what really stands in the
    /// way makes the freeze fail.</returns>
    internal static async Task<IReadOnlyList<string>> RemoveAsync(IImageSource source, ApplianceDescription vm,
        FreezeRequest how, CancellationToken cancellationToken)
    {
        List<string> warnings = [];
        try
        {
            foreach (Leftover found in await source.FindLeftoversAsync(vm, cancellationToken).ConfigureAwait(false))
            {
                bool isOurs = found.ApplianceId == vm.ApplianceId && found.RepositoryId == how.RepositoryId
                    && found.HistoryId == how.HistoryId;
                if (!isOurs || found.IsNeeded(how.KnownTokens.Values)) continue;
                string what = Describe(found, " that an earlier backup left");
                warnings.Add(await TryRemoveAsync(source, found, cancellationToken).ConfigureAwait(false) is string why
                    ? $"{vm.Name}: {what} could not be removed, and the next backup tries again: {why}"
                    : $"{vm.Name}: {what} was removed.");
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            warnings.Add(Unseen(vm, e));
        }
        return warnings;
    }

    /// <summary>
    /// Removes what backups into one repository left on a VM for later incrementals of histories with which it does
    /// not go on: nothing counts from it any more. Of each history while its lease is held, because a run may be in it.
    /// </summary>
    /// <param name="hypervisor">Where the VM is.</param>
    /// <param name="vm">The VM.</param>
    /// <param name="repository">The repository; what backups into others left is theirs.</param>
    /// <param name="isOver">Whether the VM does not go on with a history, by its id.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>What was removed, and what could not be, in full sentences.</returns>
    internal static async Task<(IReadOnlyList<string> Removed, IReadOnlyList<string> Kept)> RemoveFormerAsync(
        IHypervisor hypervisor, ApplianceDescription vm, Repository repository, Func<string, bool> isOver,
        CancellationToken cancellationToken)
    {
        List<string> removed = [], kept = [];
        if (hypervisor.Find<IImageSource>() is not IImageSource source) return (removed, kept);
        try
        {
            foreach (string history in (await FindAsync(cancellationToken).ConfigureAwait(false))
                .Select(l => l.HistoryId).Distinct(StringComparer.Ordinal).Where(isOver).ToList())
            {
                try
                {
                    await repository.WhileHeldAsync(history, stop => RemoveAsync(history, stop),
                        cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    // A run may be in this one; the others are free.
                    kept.Add($"{vm.Name}: what backups left on it of its history {history} in '{repository.Label}' "
                        + $"could not be removed: {e.Message}");
                }
            }
            if (hypervisor.Find<IUnreachableLeftovers>() is IUnreachableLeftovers unreachable)
                kept.AddRange((await unreachable.FindUnreachableAsync(vm, cancellationToken).ConfigureAwait(false))
                    .Where(l => IsOurs(l) && isOver(l.HistoryId))
                    .Select(l => $"{What(l)} may be there, and cannot be removed {unreachable.AsLongAs}."));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            kept.Add(Unseen(vm, e));
        }
        return (removed, kept);

        async Task<IReadOnlyList<Leftover>> FindAsync(CancellationToken stop) =>
            [.. (await source.FindLeftoversAsync(vm, stop).ConfigureAwait(false)).Where(IsOurs)];

        bool IsOurs(Leftover left) =>
            left.ApplianceId == vm.ApplianceId && left.RepositoryId == repository.RepositoryId;

        string What(Leftover left) =>
            $"{vm.Name}: {Describe(left, $" of its history {left.HistoryId} in '{repository.Label}'")}";

        async Task RemoveAsync(string history, CancellationToken stop)
        {
            foreach (Leftover found in (await FindAsync(stop).ConfigureAwait(false)).Where(l => l.HistoryId == history))
            {
                if (await TryRemoveAsync(source, found, stop).ConfigureAwait(false) is string why)
                    kept.Add($"{What(found)} could not be removed: {why}");
                else
                    removed.Add($"{What(found)} was removed: nothing counts from it any more.");
            }
        }
    }

    /// <summary>
    /// Whether backups of VMs of a kind leave something on them for the next incremental. Elsewhere the hypervisor
    /// keeps one count for everybody, or none.
    /// </summary>
    internal static bool AreLeftBy(string hypervisorKind) =>
        hypervisorKind is HyperVHypervisor.KindName or QemuHypervisor.KindName;

    private static string Unseen(ApplianceDescription vm, Exception why) =>
        $"{vm.Name}: it could not be seen whether an earlier backup left anything on the hypervisor: {why.Message}";

    private static string Describe(Leftover found, string of) => found.Description + of
        + (found.CreatedUtc is DateTime made
            ? string.Format(CultureInfo.InvariantCulture, " ({0:yyyy-MM-dd HH:mm} UTC)", made) : "");

    /// <returns>Why it could not be removed; null when it was.</returns>
    private static async Task<string?> TryRemoveAsync(IImageSource source, Leftover found,
        CancellationToken cancellationToken)
    {
        try
        {
            await source.RemoveLeftoverAsync(found, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            return e.Message;
        }
    }
}
