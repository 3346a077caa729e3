using System.Globalization;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// The path of an operation. Every value in it becomes exactly one encoded segment, so that a volume name with slashes
/// or a user with '!' cannot change the operation.
/// </summary>
internal sealed class ApiPath
{
    private ApiPath(string encoded, string readable)
    {
        Encoded = encoded;
        Readable = readable;
    }

    /// <summary>As it goes over the wire, without the base.</summary>
    internal string Encoded { get; }

    /// <summary>As a person reads it.</summary>
    internal string Readable { get; }

    /// <summary>A path from an interpolated string; the values in it are the variable segments.</summary>
    internal static ApiPath Of(FormattableString path)
    {
        object?[] values = path.GetArguments();
        var encoded = new object[values.Length];
        var readable = new object[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            string text = Convert.ToString(values[i], CultureInfo.InvariantCulture) ?? "";
            // A segment of dots would be resolved away by the URI class, and an empty one changes the operation.
            if (text is "" or "." or "..")
                throw new ArgumentException($"'{text}' cannot be part of a path.", nameof(path));
            readable[i] = text;
            encoded[i] = PercentEncoding.Encode(text);
        }
        return new ApiPath(string.Format(CultureInfo.InvariantCulture, path.Format, encoded),
            string.Format(CultureInfo.InvariantCulture, path.Format, readable));
    }

    public override string ToString() => Readable;
}
