using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>
/// The elements of vim25 (document/literal SOAP of the vSphere Web Services API). The order of members is the schema's:
/// servers refuse another one.
/// </summary>
internal static class VimXml
{
    internal static readonly XNamespace Vim = "urn:vim25";
    internal static readonly XNamespace Instance = "http://www.w3.org/2001/XMLSchema-instance";

    /// <summary>
    /// An argument or a member; null content leaves it out. Booleans and numbers in the schema's form.
    /// </summary>
    internal static XElement? Element(string name, object? content) => content switch
    {
        null => null,
        VimReference reference => Reference(name, reference),
        bool b => new XElement(Vim + name, b ? "true" : "false"),
        string text => new XElement(Vim + name, text),
        IFormattable number => new XElement(Vim + name, number.ToString(null, CultureInfo.InvariantCulture)),
        _ => new XElement(Vim + name, content),
    };

    /// <summary>A member with members; those that are null are left out.</summary>
    internal static XElement Group(string name, params object?[] members) => new(Vim + name, members);

    /// <summary>A member whose schema type is abstract, so that the concrete one is named.</summary>
    internal static XElement Typed(string name, string type, params object?[] members) =>
        new(Vim + name, new XAttribute(Instance + "type", type), members);

    /// <summary>A reference to a managed object.</summary>
    internal static XElement Reference(string name, VimReference reference) =>
        new(Vim + name, new XAttribute("type", reference.Type), reference.Value);

    /// <summary>The object that an element refers to; null when it is no reference.</summary>
    internal static VimReference? ReferenceOf(XElement? element) =>
        element?.Attribute("type")?.Value is string type && element.Value.Length > 0
            ? new VimReference(type, element.Value)
            : null;

    /// <summary>The concrete type of an element (<c>VirtualDisk</c>), without its prefix; null when not said.</summary>
    internal static string? TypeOf(XElement? element)
    {
        string? type = element?.Attribute(Instance + "type")?.Value;
        return type?.Substring(type.IndexOf(':') + 1);
    }

    /// <summary>The first member with a name, whatever its namespace; null when there is none.</summary>
    internal static XElement? Member(this XElement? element, string name) =>
        element?.Elements().FirstOrDefault(e => e.Name.LocalName == name);

    /// <summary>All members with a name.</summary>
    internal static IEnumerable<XElement> Members(this XElement? element, string name) =>
        element?.Elements().Where(e => e.Name.LocalName == name) ?? [];

    /// <summary>A member further down, by its path: <c>backing.fileName</c>.</summary>
    internal static XElement? At(this XElement? element, string path) =>
        path.Split('.').Aggregate(element, (e, name) => e.Member(name));

    /// <summary>The text of a member, or null.</summary>
    internal static string? Text(this XElement? element, string path) => element.At(path)?.Value;

    /// <summary>A whole number, or null where there is none or it does not fit 64 bits.</summary>
    internal static long? Number(this XElement? element, string path) =>
        long.TryParse(element.Text(path), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : null;

    /// <summary>A truth value, or null.</summary>
    internal static bool? Flag(this XElement? element, string path) => FlagOf(element.Text(path));

    /// <summary>The truth value that a text is; null for any other one.</summary>
    internal static bool? FlagOf(string? text) => text switch
    {
        "true" or "1" => true,
        "false" or "0" => false,
        _ => null,
    };

    /// <summary>A time, UTC; null where there is none.</summary>
    internal static DateTime? Time(this XElement? element, string path)
    {
        try
        {
            return element.Text(path) is string text
                ? XmlConvert.ToDateTime(text, XmlDateTimeSerializationMode.Utc)
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
