using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>
/// Looks for repositories one step below a place that is none: a folder too high, or a bucket whose prefix was left
/// out.
/// </summary>
internal static class RepositoriesBelow
{
    /// <summary>How many names are looked at: this is for a message, and a bucket may hold millions.</summary>
    private const int Steps = 20;

    /// <summary>The names of repositories below a place; none where looking fails, because something else is told
    /// already.</summary>
    internal static async Task<IReadOnlyList<string>> FindAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        List<string> found = [];
        string? after = null;
        try
        {
            for (int step = 0; step < Steps; step++)
            {
                string? name = await FindFirstAsync(store, after, cancellationToken).ConfigureAwait(false);
                if (name is null) break;
                int slash = name.IndexOf('/');
                string top = slash < 0 ? name : name.Substring(0, slash);
                if (slash >= 0
                    && await store.StatAsync($"{top}/{Layout.Settings}",
                        cancellationToken).ConfigureAwait(false) is not null)
                    found.Add(top);
                // Behind everything that begins with the name and a slash: '0' is the character that follows it.
                after = slash < 0 ? name : top + "0";
            }
        }
        catch (NataliaException)
        {
            // The place is no repository whatever lies below it; what cannot be looked at is not named.
        }
        return found;
    }

    private static async Task<string?> FindFirstAsync(IObjectStore store, string? after,
        CancellationToken cancellationToken)
    {
        await foreach (StoredObject next in store.ListAsync("", after, cancellationToken).ConfigureAwait(false))
            return next.Name;
        return null;
    }
}
