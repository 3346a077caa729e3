using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>A check of the user's own.</summary>
/// <param name="Name">Its name in the result.</param>
/// <param name="RunAsync">Makes it. A verdict that it cannot give is NotEvidenced; name, duration and ids are filled in
/// by whoever calls it.</param>
internal sealed record OwnCheck(string Name, Func<RestoreTestSubject, CancellationToken, Task<CheckResult>> RunAsync);
