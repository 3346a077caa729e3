using Natalia.Backup.Engine;

namespace Natalia.Backup.Arguments;

/// <summary>Help with lists of references.</summary>
internal static class References
{
    /// <summary>The list without what is empty: a property that is null binds as an empty entry.</summary>
    internal static IReadOnlyList<string>? Clean(IEnumerable<string?>? references) =>
        references is null ? null : [.. references.Where(r => !string.IsNullOrEmpty(r)).Cast<string>()];

    /// <summary>What the user named; an id counts where no name does.</summary>
    internal static IReadOnlyList<string> Named(IEnumerable<string?>? names, string? id) =>
        Clean(names) is { Count: > 0 } given ? given : Clean([id])!;

    /// <summary>
    /// The error that no appliance was named. An empty name is not the same as none: it may come of a variable that
    /// should have held one, and must not mean every appliance.
    /// </summary>
    internal static NataliaException NoApplianceNamed() =>
        new(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
            "Which appliance? None was named.",
            recommendedAction: "Name it with -Appliance, or pipe it in from Get-NataliaAppliance.");

    /// <summary>
    /// The error that a repository was to be named, and the name is empty: it must not mean every repository.
    /// </summary>
    internal static NataliaException NoRepositoryNamed() =>
        new(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
            "Which repository? The name that was given is empty.",
            recommendedAction: "Name it with -Repository, or leave that out for all that are connected.");

    /// <summary>
    /// The error that a restore point was to be named, and its id is empty: of a variable, or of what is piped in and
    /// tells of no single point. It must not mean every point.
    /// </summary>
    internal static NataliaException NoPointNamed() =>
        new(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
            "Which restore point? The id that was given, or that what was piped in brought, is empty.",
            recommendedAction: "Give the id of a point, or name an appliance and leave -RestorePointId out.");
}
