using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Backup;

/// <summary>What backups that died left on a hypervisor.</summary>
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
                warnings.Add(await RemoveAsync(source, vm, found, cancellationToken).ConfigureAwait(false));
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            warnings.Add($"{vm.Name}: it could not be seen whether an earlier backup left anything on the hypervisor: "
                + $"{e.Message}");
        }
        return warnings;
    }

    private static async Task<string> RemoveAsync(IImageSource source, ApplianceDescription vm, Leftover found,
        CancellationToken cancellationToken)
    {
        string what = found.Description + " that an earlier backup left"
            + (found.CreatedUtc is DateTime made
                ? string.Format(CultureInfo.InvariantCulture, " ({0:yyyy-MM-dd HH:mm} UTC)", made) : "");
        try
        {
            await source.RemoveLeftoverAsync(found, cancellationToken).ConfigureAwait(false);
            return $"{vm.Name}: {what} was removed.";
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            return $"{vm.Name}: {what} could not be removed, and the next backup tries again: {e.Message}";
        }
    }
}
