using System.Collections;
using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>
/// An object as text, as Hyper-V's methods take and give it: CIM-XML, DSP0201. Only properties that are set are
/// written. Windows' own serializer does the same, but there is none elsewhere.
/// </summary>
internal sealed class EmbeddedInstance(string className)
{
    /// <summary>What an answer may measure: far more than any object, far less than a memory.</summary>
    private const long MaxCharacters = 4 << 20;

    private readonly Dictionary<string, object> _values = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A copy of an object, to be changed: with its keys and all that is set, as Hyper-V expects it.</summary>
    internal static EmbeddedInstance From(CimRow row)
    {
        var copy = new EmbeddedInstance(row.ClassName);
        foreach (KeyValuePair<string, object?> value in row.Values) copy.Set(value.Key, value.Value);
        return copy;
    }

    /// <summary>Sets a property; null leaves it out.</summary>
    internal EmbeddedInstance Set(string name, object? value)
    {
        if (value is null) _values.Remove(name);
        else _values[name] = value;
        return this;
    }

    internal string ToText()
    {
        var instance = new XElement("INSTANCE", new XAttribute("CLASSNAME", className));
        foreach (KeyValuePair<string, object> value in _values)
        {
            // A reference inside of a setting is a text there; an object inside of an object is never sent.
            if (value.Value is CimPath or CimRow or CimPath[] or CimRow[]) continue;
            bool isArray = value.Value is IEnumerable and not string;
            List<object?> items = isArray ? [.. ((IEnumerable)value.Value).Cast<object?>()] : [value.Value];
            if (TypeOf(isArray ? value.Value.GetType().GetElementType()! : value.Value.GetType()) is not string type)
                throw new ArgumentException($"{className}.{value.Key} is a {value.Value.GetType()}.");
            IEnumerable<XElement> texts = items.Select(v => new XElement("VALUE", Text(v)));
            instance.Add(isArray
                ? new XElement("PROPERTY.ARRAY", new XAttribute("NAME", value.Key), new XAttribute("TYPE", type),
                    new XElement("VALUE.ARRAY", texts))
                : new XElement("PROPERTY", new XAttribute("NAME", value.Key), new XAttribute("TYPE", type), texts));
        }
        return instance.ToString(SaveOptions.DisableFormatting);
    }

    /// <summary>Reads an object's text.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    internal static CimRow Read(string text)
    {
        try
        {
            var settings = new XmlReaderSettings
            {
                DtdProcessing = DtdProcessing.Prohibit,
                XmlResolver = null,
                MaxCharactersInDocument = MaxCharacters,
            };
            using XmlReader reader = XmlReader.Create(new StringReader(text.TrimStart('\uFEFF')), settings);
            XElement root = XDocument.Load(reader).Root!;
            XElement instance = root.DescendantsAndSelf("INSTANCE").FirstOrDefault()
                ?? throw new FormatException("It holds no INSTANCE.");
            string className = (string?)instance.Attribute("CLASSNAME")
                ?? throw new FormatException("The INSTANCE has no CLASSNAME.");
            var values = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
            foreach (XElement property in instance.Elements())
            {
                if ((string?)property.Attribute("NAME") is not string name) continue;
                string type = (string?)property.Attribute("TYPE") ?? "string";
                if (property.Name == "PROPERTY")
                    values[name] = property.Element("VALUE") is XElement one ? Value(one.Value, type) : null;
                else if (property.Name == "PROPERTY.ARRAY" && property.Element("VALUE.ARRAY") is XElement many)
                    values[name] = Array(many, type);
            }
            return new CimRow(className, null, values);
        }
        catch (Exception e) when (e is XmlException or OverflowException)
        {
            throw new FormatException(e.Message, e);
        }
    }

    private static string? TypeOf(Type type) =>
        type == typeof(string) ? "string"
        : type == typeof(bool) ? "boolean"
        : type == typeof(byte) ? "uint8"
        : type == typeof(ushort) ? "uint16"
        : type == typeof(uint) ? "uint32"
        : type == typeof(ulong) ? "uint64"
        : type == typeof(sbyte) ? "sint8"
        : type == typeof(short) ? "sint16"
        : type == typeof(int) ? "sint32"
        : type == typeof(long) ? "sint64"
        : type == typeof(DateTime) || type == typeof(TimeSpan) ? "datetime"
        : null;

    private static string Text(object? value) => value switch
    {
        null => "",
        bool flag => flag ? "TRUE" : "FALSE",
        DateTime time => CimTime.ToText(time),
        TimeSpan interval => CimTime.ToText(interval),
        string text => Clean(text),
        object other => Convert.ToString(other, CultureInfo.InvariantCulture)!,
    };

    /// <summary>What XML cannot hold at all is no part of any setting that people see.</summary>
    private static string Clean(string text)
    {
        if (text.All(c => XmlConvert.IsXmlChar(c))) return text;
        var clean = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (XmlConvert.IsXmlChar(text[i])) clean.Append(text[i]);
            else if (i + 1 < text.Length && XmlConvert.IsXmlSurrogatePair(text[i + 1], text[i]))
                clean.Append(text[i]).Append(text[++i]);
            else clean.Append('\uFFFD');
        }
        return clean.ToString();
    }

    private static object Array(XElement values, string type)
    {
        List<object?> items = [.. values.Elements("VALUE").Select(v => Value(v.Value, type))];
        return type switch
        {
            "boolean" => items.OfType<bool>().ToArray(),
            "uint8" => items.OfType<byte>().ToArray(),
            "uint16" => items.OfType<ushort>().ToArray(),
            "uint32" => items.OfType<uint>().ToArray(),
            "uint64" => items.OfType<ulong>().ToArray(),
            _ => items.Select(i => Convert.ToString(i, CultureInfo.InvariantCulture) ?? "").ToArray(),
        };
    }

    private static object? Value(string text, string type) => type switch
    {
        "boolean" => text.Trim().Equals("TRUE", StringComparison.OrdinalIgnoreCase),
        "uint8" => byte.Parse(text, CultureInfo.InvariantCulture),
        "uint16" => ushort.Parse(text, CultureInfo.InvariantCulture),
        "uint32" => uint.Parse(text, CultureInfo.InvariantCulture),
        "uint64" => ulong.Parse(text, CultureInfo.InvariantCulture),
        "sint8" => sbyte.Parse(text, CultureInfo.InvariantCulture),
        "sint16" => short.Parse(text, CultureInfo.InvariantCulture),
        "sint32" => int.Parse(text, CultureInfo.InvariantCulture),
        "sint64" => long.Parse(text, CultureInfo.InvariantCulture),
        "datetime" => CimTime.TryParse(text),
        _ => text,
    };
}
