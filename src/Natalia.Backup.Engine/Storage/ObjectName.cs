namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// The rule for names of stored objects: segments joined by '/', each of <c>a-z 0-9 . - _</c>, that mean the same on
/// every file system and in every bucket and never lead out of a store.
/// </summary>
/// <remarks>
/// Refused besides other characters: empty segments, segments that begin with a dot (reserved for what is never
/// listed), segments that end with a dot and device names such as <c>nul</c> (Windows gives both another meaning), and
/// what is too long.
/// </remarks>
public static class ObjectName
{
    /// <summary>The longest name, in characters.</summary>
    public const int MaxLength = 512;

    /// <summary>The longest segment, in characters.</summary>
    public const int MaxSegmentLength = 200;

    /// <summary>Whether a name may be used.</summary>
    /// <param name="name">The name; null is none.</param>
    public static bool IsValid(string? name)
    {
        if (name is null || name.Length is 0 or > MaxLength) return false;
        int start = 0;
        while (true)
        {
            int slash = name.IndexOf('/', start);
            int end = slash < 0 ? name.Length : slash;
            if (!IsValidSegment(name, start, end)) return false;
            if (slash < 0) return true;
            start = slash + 1;
        }
    }

    /// <summary>Whether a prefix may be listed: empty, a name, or the beginning of one.</summary>
    /// <param name="prefix">The prefix.</param>
    public static bool IsValidPrefix(string? prefix)
    {
        if (prefix is null || prefix.Length > MaxLength) return false;
        int slash = prefix.LastIndexOf('/');
        if (slash >= 0 && !IsValid(prefix.Substring(0, slash))) return false;
        // The last segment may be unfinished, so only its characters and its first one count.
        for (int i = slash + 1; i < prefix.Length; i++)
            if (!IsAllowed(prefix[i])) return false;
        return slash + 1 == prefix.Length || prefix[slash + 1] != '.';
    }

    /// <summary>Refuses a name that may not be used.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="NataliaException"><c>PathNotContained</c>.</exception>
    public static void Require(string? name)
    {
        if (!IsValid(name)) throw Refused(name, "names an object");
    }

    /// <summary>Refuses a prefix that may not be listed.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <exception cref="NataliaException"><c>PathNotContained</c>.</exception>
    public static void RequirePrefix(string? prefix)
    {
        if (!IsValidPrefix(prefix)) throw Refused(prefix, "begins the name of an object");
    }

    private static NataliaException Refused(string? name, string role)
    {
        string shown = Printable(name);
        return new NataliaException(ErrorIds.PathNotContained, NataliaErrorKind.InvalidArgument,
            $"'{shown}' is not a text that {role}: lowercase letters, digits, '.', '-' and '_' in segments joined by "
            + "'/', none of which is empty, begins or ends with a dot, or is a device name.",
            shown);
    }

    // A hostile name ends up in messages and logs: no control characters there, and no novel.
    private static string Printable(string? name)
    {
        if (name is null) return "(null)";
        char[] characters = name.Length > 100 ? (name.Substring(0, 100) + "…").ToCharArray() : name.ToCharArray();
        for (int i = 0; i < characters.Length; i++)
            if (char.IsControl(characters[i])) characters[i] = '?';
        return new string(characters);
    }

    private static bool IsValidSegment(string name, int start, int end)
    {
        if (end - start is 0 or > MaxSegmentLength) return false;
        if (name[start] == '.' || name[end - 1] == '.') return false;
        for (int i = start; i < end; i++)
            if (!IsAllowed(name[i])) return false;
        return !IsDeviceName(name, start, end);
    }

    private static bool IsAllowed(char c) => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '.' or '-' or '_';

    // Windows reserves these with any extension: "nul.pack" is the null device too.
    private static bool IsDeviceName(string name, int start, int end)
    {
        int dot = name.IndexOf('.', start, end - start);
        int length = (dot < 0 ? end : dot) - start;
        if (length is not (3 or 4)) return false;
        string stem = name.Substring(start, length);
        return length == 3
            ? stem is "con" or "prn" or "aux" or "nul"
            : stem[3] is >= '1' and <= '9'
                && (stem.StartsWith("com", StringComparison.Ordinal)
                    || stem.StartsWith("lpt", StringComparison.Ordinal));
    }
}
