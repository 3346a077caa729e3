using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Copy;

/// <summary>What tests of copying do again and again.</summary>
internal static class CopySteps
{
    /// <summary>Copies every point of the source, oldest first, as the cmdlet does.</summary>
    internal static async Task<List<PointCopy>> CopyAllAsync(Repository source, Repository destination,
        bool again = false, Action<NataliaException>? onTrouble = null,
        Action<RestorePoint, NataliaException>? onFailure = null)
    {
        var copier = new PointCopier(source, destination, onTrouble);
        var copies = new List<PointCopy>();
        IAsyncDisposable? held = null;
        try
        {
            foreach (RestorePoint point in (await PointsAsync(source)).OrderBy(p => p))
            {
                try
                {
                    if (await copier.FindAsync(point, again, default) is null)
                        held ??= await copier.HoldAsync(point.ApplianceId, default);
                    copies.Add(await copier.CopyAsync(point, again, null, default));
                }
                catch (NataliaException failure) when (onFailure is not null)
                {
                    onFailure(point, failure);
                }
            }
        }
        finally
        {
            if (held is not null) await held.DisposeAsync();
        }
        return copies;
    }

    /// <summary>Every point of the destination is one of the source's states.</summary>
    internal static async Task AssertCopiesAsync(Repository destination, IReadOnlyDictionary<string, byte[]> states,
        string what, string? diskId = null)
    {
        foreach (RestorePoint point in await PointsAsync(destination))
        {
            byte[] state = states[point.OriginalRestorePointId ?? point.RestorePointId];
            Assert.True(await StateFinder.IsAsync(destination, point, state, diskId),
                $"{what}: point {point.Sequence}");
        }
        CheckResult? failed = (await CheckAsync(destination)).Find(r => r.Result == CheckOutcome.Failed);
        Assert.True(failed is null, $"{what}: {failed?.Detail}");
    }
}
