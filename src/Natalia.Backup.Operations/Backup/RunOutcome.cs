using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// What came of one run. Both may be set: the point is good, and something was left behind on the hypervisor.
/// </summary>
/// <param name="Point">The point that was made.</param>
/// <param name="Failure">Why there is none; null when there is one.</param>
/// <param name="ReleaseFailure">Why the hypervisor's snapshot could not be released; null when it was.</param>
/// <param name="Warnings">What the user should know although it worked: full sentences.</param>
internal sealed record RunOutcome(RestorePoint? Point, Exception? Failure, Exception? ReleaseFailure,
    IReadOnlyList<string> Warnings);
