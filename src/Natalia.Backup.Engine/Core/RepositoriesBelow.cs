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
    private const int Steps = 20, Folders = 100;

    /// <summary>For how long it looks: names that are none of ours are listed too.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Where repositories lie below a place, as somebody would type it; none where looking fails or takes too long,
    /// because something else is told already.
    /// </summary>
    /// <param name="store">The place.</param>
    /// <param name="first">Its first object, as the caller listed it; null for none.</param>
    /// <param name="cancellationToken">Stops the caller's operation.</param>
    internal static async Task<IReadOnlyList<string>> FindAsync(IObjectStore store, string? first,
        CancellationToken cancellationToken)
    {
        List<string> found = [];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_limit);
        try
        {
            if (store.Find<INestedStores>() is INestedStores folders)
                await FindInFoldersAsync(folders, found, limit.Token).ConfigureAwait(false);
            else await FindInBucketAsync(store, first, found, limit.Token).ConfigureAwait(false);
        }
        catch (NataliaException)
        {
            // The place is no repository whatever lies below it; what cannot be looked at is not named.
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What was found until now is told.
        }
        return found;
    }

    private static async Task FindInFoldersAsync(INestedStores folders, List<string> found,
        CancellationToken cancellationToken)
    {
        foreach (string name in folders.Names(Folders).Where(DisplayText.IsPlain))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using IObjectStore below = folders.Open(name);
            if (await IsRepositoryAsync(below, Layout.Settings, cancellationToken).ConfigureAwait(false))
                found.Add(folders.Place(name));
        }
    }

    private static async Task FindInBucketAsync(IObjectStore store, string? first, List<string> found,
        CancellationToken cancellationToken)
    {
        string? name = first;
        for (int step = 0; step < Steps && name is not null; step++)
        {
            int slash = name.IndexOf('/');
            string top = slash < 0 ? name : name.Substring(0, slash);
            if (slash >= 0 && await IsRepositoryAsync(store, $"{top}/{Layout.Settings}",
                cancellationToken).ConfigureAwait(false))
                found.Add($"{store.Location}/{top}");
            // Behind everything that begins with the name and a slash: '0' is the character that follows it.
            name = await FindFirstAsync(store, slash < 0 ? name : top + "0", cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<string?> FindFirstAsync(IObjectStore store, string after,
        CancellationToken cancellationToken)
    {
        await foreach (StoredObject next in store.ListAsync("", after, cancellationToken).ConfigureAwait(false))
            return next.Name;
        return null;
    }

    /// <summary>Whether it is that of a repository: a profile may have the same name.</summary>
    private static async Task<bool> IsRepositoryAsync(IObjectStore store, string settings,
        CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = await store.ReadAllAsync(settings, cancellationToken).ConfigureAwait(false);
            return RepositorySettings.IsOfARepository(bytes);
        }
        catch (NataliaException absent) when (absent.ErrorId == ErrorIds.ObjectNotFound)
        {
            return false;
        }
    }
}
