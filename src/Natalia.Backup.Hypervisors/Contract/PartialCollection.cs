using System.Collections.ObjectModel;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// What a look for VMs found that could not see everything: what is not among it may be there all the same.
/// </summary>
/// <typeparam name="T">What was looked for.</typeparam>
/// <param name="found">What was found.</param>
/// <param name="unseen">What could not be looked at, for the eye.</param>
public sealed class PartialCollection<T>(IList<T> found, IReadOnlyList<string> unseen) : ReadOnlyCollection<T>(found)
{
    /// <summary>What could not be looked at, for the eye: hosts that are down, VMs that cannot be read.</summary>
    public IReadOnlyList<string> Unseen => unseen;
}

/// <summary>Makes and reads lists that may not be whole.</summary>
public static class PartialCollection
{
    private const int Shown = 5;

    /// <summary>What was found, with what could not be looked at when there is any.</summary>
    /// <typeparam name="T">What was looked for.</typeparam>
    /// <param name="found">What was found.</param>
    /// <param name="unseen">What could not be looked at.</param>
    public static IReadOnlyList<T> Of<T>(IReadOnlyList<T> found, IReadOnlyList<string> unseen) =>
        unseen.Count == 0 ? found : new PartialCollection<T>([.. found], unseen);

    /// <summary>What could not be looked at; empty when everything was.</summary>
    /// <typeparam name="T">What was looked for.</typeparam>
    /// <param name="found">What was found.</param>
    public static IReadOnlyList<string> UnseenOf<T>(IReadOnlyList<T> found) =>
        (found as PartialCollection<T>)?.Unseen ?? [];

    /// <summary>What could not be looked at, as a part of a sentence.</summary>
    /// <param name="unseen">What could not be looked at.</param>
    public static string Describe(IReadOnlyList<string> unseen) => string.Join(", ", unseen.Take(Shown))
        + (unseen.Count > Shown ? $" and {Plural.Count(unseen.Count - Shown, "other")}" : "");

    /// <summary>A VM is not found where not everything can be looked at: that it is gone would be a guess.</summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>.</exception>
    internal static void RequireWhole(IReadOnlyList<string> unseen, string nativeId, string location)
    {
        if (unseen.Count > 0)
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.ResourceUnavailable,
                $"Whether the VM {nativeId} is still on '{location}' is not known, because not everything there can be "
                + $"looked at now: {Describe(unseen)}.", nativeId,
                "Look for it there when all of it can be seen again.");
    }
}
